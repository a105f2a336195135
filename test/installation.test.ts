import { writeFile, readFile, utimes, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { MARKER_KEY, adoptPayloads, strangePayloads } from '../src/jobs/keeping/installation.ts'
import { openSqlite } from '../src/jobs/sqlite/database.ts'
import type { Database } from '../src/jobs/sql/dialect.ts'
import { FolderPayloadStore } from '../src/payloads/folder/folder-store.ts'
import { temporaryFolder } from './support/server.ts'

async function open() {
  await using stack = new AsyncDisposableStack()
  const { path } = stack.use(await temporaryFolder())
  const { path: other } = stack.use(await temporaryFolder())
  const payloads = await FolderPayloadStore.open(join(path, 'payloads'))
  const database = stack.use(await openSqlite(path))
  const another = stack.use(await openSqlite(other))
  const put = async (key: string, at: Date): Promise<void> => {
    await payloads.write(key, Readable.from([Buffer.from(key)]))
    await utimes(join(path, 'payloads/objects', key), at, at)
  }
  const opened = stack.move()
  return { payloads, database, another, put, path, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

const YEAR_AGO = new Date(Date.now() - 365 * 86_400_000)

/** As a backup of the database restores it. */
async function restore({ queries }: Database, generation: number): Promise<void> {
  await queries.updateTable('installation').set({ generation }).execute()
}

describe('the payload store and the database', () => {
  test('of a new installation belong together, and go on doing so', async () => {
    await using fixture = await open()
    const { database, payloads, put } = fixture
    for (let n = 0; n < 3; n++) {
      expect(await strangePayloads(database, payloads)).toBeNull()
      await put(`uploads/${n}.mp3`, YEAR_AGO)
    }
  })

  test('of which the database is younger than the payloads do not: one was lost', async () => {
    await using fixture = await open()
    const { database, payloads, put } = fixture
    await put('results/one/1.json', YEAR_AGO)
    expect(await strangePayloads(database, payloads)).toMatch(/older than the jobs database.*--adopt-payloads/)
    expect(await payloads.size(MARKER_KEY)).toBeUndefined()
  })

  test('of an upgraded installation belong together, since it is as old as its first job or key', async () => {
    await using fixture = await open()
    const { database, payloads, put } = fixture
    await put('uploads/1.mp3', YEAR_AGO)
    const createdAt = YEAR_AGO.getTime() / 1000 - 1
    await database.queries.updateTable('installation').set({ created_at: createdAt }).execute()
    expect(await strangePayloads(database, payloads)).toBeNull()
  })

  test('of two installations do not', async () => {
    await using fixture = await open()
    const { database, another, payloads } = fixture
    expect(await strangePayloads(database, payloads)).toBeNull()
    expect(await strangePayloads(another, payloads)).toMatch(/belongs to installation .*--adopt-payloads/)
  })

  test('do not when the database was restored from a backup', async () => {
    await using fixture = await open()
    const { database, payloads } = fixture
    for (let n = 0; n < 3; n++) expect(await strangePayloads(database, payloads)).toBeNull()
    await restore(database, 2)
    for (let n = 0; n < 3; n++) expect(await strangePayloads(database, payloads)).toMatch(/restored from a backup/)
    await restore(database, 3)
    expect(await strangePayloads(database, payloads)).toBeNull()
  })

  test('do when the payloads were restored: the database knows what was removed since', async () => {
    await using fixture = await open()
    const { database, payloads, path } = fixture
    await strangePayloads(database, payloads)
    const file = join(path, 'payloads/objects', MARKER_KEY)
    const backup = await readFile(file)
    await strangePayloads(database, payloads)
    await writeFile(file, backup)
    expect(await strangePayloads(database, payloads)).toBeNull()
  })

  test('do not when the payload store is another one than so far, but do when it is empty', async () => {
    await using fixture = await open()
    const { database, payloads, put, path } = fixture
    await strangePayloads(database, payloads)
    await rm(join(path, 'payloads/objects', MARKER_KEY))
    expect(await strangePayloads(database, payloads)).toBeNull()
    await rm(join(path, 'payloads/objects', MARKER_KEY))
    await put('uploads/foreign.mp3', new Date())
    expect(await strangePayloads(database, payloads)).toMatch(/not the one that this jobs database has used/)
  })

  test('do not when the marker can’t be read', async () => {
    await using fixture = await open()
    const { database, payloads } = fixture
    const incomplete = [
      'null',
      '"text"',
      '{"installation":"a"}',
      '{"generation":1}',
      '{"installation":"a","generation":"1"}',
    ]
    for (const text of ['', '{', '{"installation":1,"generation":1}', ...incomplete]) {
      await payloads.write(MARKER_KEY, Readable.from([Buffer.from(text)]))
      expect(await strangePayloads(database, payloads)).toMatch(/can't be read/)
    }
  })

  test('do once the payloads are adopted, for that database alone', async () => {
    await using fixture = await open()
    const { database, another, payloads } = fixture
    await strangePayloads(database, payloads)
    await adoptPayloads(another)
    expect(await strangePayloads(another, payloads)).toBeNull()
    expect(await strangePayloads(another, payloads)).toBeNull()
    expect(await strangePayloads(database, payloads)).toMatch(/belongs to installation/)
  })
})
