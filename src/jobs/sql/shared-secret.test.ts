import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openSharedSecret } from './shared-secret.ts'
import { openSqlite } from '../sqlite/database.ts'

test('a secret is made once, for all who ask for it by its name', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'sotto-secret-'))
  await using database = await openSqlite(folder.path)
  const secret = await openSharedSecret(database, 'signing')
  expect(secret).toHaveLength(32)
  expect(await openSharedSecret(database, 'signing')).toEqual(secret)
  expect(await openSharedSecret(database, 'other')).not.toEqual(secret)
})

test('a secret that was cut short is refused: signatures by it could be guessed', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'sotto-secret-'))
  await using database = await openSqlite(folder.path)
  await openSharedSecret(database, 'signing')
  await database.queries.updateTable('secrets').set({ value: 'c2hvcnQ=' }).execute()
  await expect(openSharedSecret(database, 'signing')).rejects.toMatchObject({ code: 'store.damaged' })
})
