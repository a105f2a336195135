import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { NEEDS_POSTGRES, hasPostgres, startPostgres } from '../../../test/support/postgres.ts'
import type { Database } from './dialect.ts'
import { openPostgresDatabase } from '../postgres/database.ts'
import { openSqlite } from '../sqlite/database.ts'

/** What the two call the same. */
const TYPES: Readonly<Record<string, string>> = { bigint: 'integer', int8: 'integer', int4: 'integer', float8: 'real' }
/** Of PostgreSQL's migrations; SQLite keeps a number. */
const HISTORY = 'schema_migrations'

/** How PostgreSQL numbers events, as `event-order.ts` says. */
const NUMBERING: readonly string[] = ['job_events.id', 'job_events_unnumbered']

/** `table.column` → its type, and whether it may be null. */
async function columnsOf({ queries }: Database): Promise<ReadonlyMap<string, string>> {
  const tables = await queries.introspection.getTables()
  const described = tables
    .filter(({ name }) => name !== HISTORY)
    .flatMap(({ name: table, columns }) =>
      columns.map(({ name, dataType, isNullable }): [string, string] => {
        const type = TYPES[dataType.toLowerCase()] ?? dataType.toLowerCase()
        return [`${table}.${name}`, isNullable && name !== 'sequence' ? `${type} or null` : type]
      }),
    )
  return new Map(
    described.filter(([name]) => !NUMBERING.includes(name)).toSorted(([one], [other]) => one.localeCompare(other)),
  )
}

/** Each index but those of constraints: what it is over, and which rows it holds. */
async function indexesOf({ queries, dialect }: Database): Promise<readonly string[]> {
  const texts =
    dialect.name === 'sqlite'
      ? sql`select sql as text from sqlite_master where type = 'index' and sql is not null`
      : sql`
          select indexdef as text from pg_indexes
          where schemaname = 'public' and indexname not in (select conname from pg_constraint)
        `
  const { rows } = await sql<{ text: string }>`${texts}`.execute(queries)
  return rows
    .filter(({ text }) => !NUMBERING.some((name) => text.includes(name)))
    .map(({ text }) => text.toLowerCase().replace(/ on public\.(\w+) using btree /, ' on $1 '))
    .map((text) =>
      text
        .replaceAll('::text', '')
        .replaceAll(/[\s()]+/g, ' ')
        .trim(),
    )
    .toSorted()
}

async function triggersOf({ queries, dialect }: Database): Promise<readonly string[]> {
  const source =
    dialect.name === 'sqlite'
      ? sql`select name from sqlite_master where type = 'trigger'`
      : sql`select tgname as name from pg_trigger where not tgisinternal`
  return (await sql<{ name: string }>`${source}`.execute(queries)).rows.map(({ name }) => name).toSorted()
}

/** The histories differ, and what was released of them stays as it is: that they end alike is held here. */
test.skipIf(!hasPostgres)(`both databases have the same tables, indexes and triggers${NEEDS_POSTGRES}`, async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'sotto-schema-'))
  await using sqlite = await openSqlite(folder.path)
  await using server = await startPostgres({ fsync: false })
  await using postgres = await openPostgresDatabase(await server.createDatabase())
  const columns = await columnsOf(postgres)
  expect(columns.size).toBeGreaterThan(60)
  expect(Object.fromEntries(await columnsOf(sqlite))).toEqual(Object.fromEntries(columns))
  const indexes = await indexesOf(postgres)
  expect(indexes.length).toBeGreaterThan(10)
  expect(await indexesOf(sqlite)).toEqual(indexes)
  expect(await triggersOf(sqlite)).toEqual(await triggersOf(postgres))
})
