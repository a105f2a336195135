import { setTimeout } from 'node:timers/promises'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NEEDS_POSTGRES, hasPostgres, startPostgres } from '../../../test/support/postgres.ts'
import type { Postgres } from '../../../test/support/postgres.ts'
import { openPostgres } from './connection.ts'
import { migratePostgres } from './migrate.ts'
import type { Migration } from './migrate.ts'

/** Each step would fail if it ran twice. */
const STEPS: readonly Migration[] = [
  { version: 1, compatibleFrom: 1, sql: 'create table notes (text text); create index notes_text on notes (text)' },
  { version: 2, compatibleFrom: 1, sql: 'alter table notes add column language text' },
  { version: 3, compatibleFrom: 3, sql: 'alter table notes rename column text to words' },
]
const [first, second] = [STEPS.slice(0, 1), STEPS.slice(0, 2)]

async function history(url: string): Promise<unknown[]> {
  await using database = await openPostgres(url)
  const query = sql<Record<string, unknown>>`select version, compatible_from from schema_migrations order by version`
  return (await query.execute(database)).rows.map((row) => Object.values(row))
}

describe.skipIf(!hasPostgres)(`migratePostgres${NEEDS_POSTGRES}`, () => {
  let postgres: Postgres
  beforeAll(async () => {
    postgres = await startPostgres({ fsync: false })
  })
  afterAll(() => postgres[Symbol.asyncDispose]())

  test('applies what is missing, and says so', async () => {
    const url = await postgres.createDatabase()
    expect(await migratePostgres(url, first)).toEqual([1])
    expect(await migratePostgres(url, STEPS)).toEqual([2, 3])
    expect(await migratePostgres(url, STEPS)).toEqual([])
    expect(await history(url)).toEqual([
      [1, 1],
      [2, 1],
      [3, 3],
    ])
  })

  test('applies each step once when ten servers start at once', async () => {
    const url = await postgres.createDatabase()
    const runs = await Promise.all(Array.from({ length: 10 }, () => migratePostgres(url, STEPS)))
    expect(runs.filter((applied) => applied.length > 0)).toEqual([[1, 2, 3]])
    expect(await history(url)).toHaveLength(3)
  })

  test('lets an older program start where a newer one made nothing unfit for it', async () => {
    const url = await postgres.createDatabase()
    await migratePostgres(url, second)
    expect(await migratePostgres(url, first)).toEqual([])
  })

  test('refuses a schema that a newer program made unfit, and leaves it', async () => {
    const url = await postgres.createDatabase()
    await migratePostgres(url, STEPS)
    const error = { code: 'store.newer_schema', retryable: false, message: expect.stringContaining('version 3') }
    await expect(migratePostgres(url, second)).rejects.toMatchObject(error)
    expect(await history(url)).toHaveLength(3)
  })

  test('leaves nothing of a run in which a step fails', async () => {
    const url = await postgres.createDatabase()
    const failing = { version: 3, compatibleFrom: 3, sql: 'create table more (id int); select 1/0' }
    await expect(migratePostgres(url, [...second, failing])).rejects.toMatchObject({ code: 'store.refused' })
    expect(await migratePostgres(url, STEPS)).toEqual([1, 2, 3])
  })

  test('may take longer than a statement', async () => {
    const url = await postgres.createDatabase()
    await using administrator = await openPostgres(postgres.url)
    await sql`alter role sotto set statement_timeout = 50`.execute(administrator)
    const slow = [{ version: 1, compatibleFrom: 1, sql: 'select pg_sleep(0.2)' }]
    try {
      expect(await migratePostgres(url, slow)).toEqual([1])
    } finally {
      await sql`alter role sotto reset statement_timeout`.execute(administrator)
    }
  })

  test('stops in the middle of a step when it is told to', async () => {
    const url = await postgres.createDatabase()
    const stop = new AbortController()
    const slow = [...first, { version: 2, compatibleFrom: 1, sql: 'select pg_sleep(60)' }]
    const stopped = migratePostgres(url, slow, { signal: stop.signal }).catch((error: unknown) => error)
    await using administrator = await openPostgres(postgres.url)
    const sleeping = sql`select 1 from pg_stat_activity where query = 'select pg_sleep(60)' and state = 'active'`
    while ((await sleeping.execute(administrator)).rows.length === 0) await setTimeout(5)
    stop.abort(new Error('enough'))
    expect(await stopped).toEqual(new Error('enough'))
    expect(await migratePostgres(url, first)).toEqual([1])
  })

  test('needs no right to create anything where nothing is missing', async () => {
    const url = await postgres.createDatabase()
    await migratePostgres(url, STEPS)
    await using administrator = await openPostgres(postgres.url)
    await sql`create role reader in role pg_read_all_data login password 'reader'`.execute(administrator)
    const reader = new URL(url)
    reader.username = 'reader'
    reader.password = 'reader'
    expect(await migratePostgres(reader.href, STEPS)).toEqual([])
  })

  test('takes only a history in its order', async () => {
    await expect(migratePostgres('postgres://nowhere', STEPS.slice(1))).rejects.toThrow(RangeError)
  })
})
