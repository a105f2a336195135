import { readFileSync } from 'node:fs'
import { sql } from 'kysely'
import type { Database } from './sql/dialect.ts'

const SQLITE_PAGE_BYTES = 4096

/** How many pages of the database a piece of work reads: what it costs, on every machine the same. */
export async function pagesRead(database: Database, work: () => Promise<unknown>): Promise<number> {
  const { name } = database.dialect
  if (name === 'sqlite') {
    // Without a cache, each page that is visited is read from the file.
    await sql`pragma cache_size = 0`.execute(database.queries)
    await sql`pragma wal_checkpoint(truncate)`.execute(database.queries)
  } else {
    // Dead versions of rows are the vacuum's affair.
    await sql`vacuum jobs`.execute(database.queries)
  }
  const pages =
    name === 'sqlite' ? () => Promise.resolve(bytesRead() / SQLITE_PAGE_BYTES) : () => postgresPages(database)
  const before = await pages()
  await work()
  return (await pages()) - before
}

function bytesRead(): number {
  return Number(/^rchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1])
}

async function postgresPages({ queries }: Database): Promise<number> {
  // A connection tells of what it has read when a transaction ends, now and then.
  await sql`select pg_stat_force_next_flush()`.execute(queries)
  const { rows } = await sql<{ pages: number }>`
    select sum(heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit)::float8 as pages from pg_statio_user_tables
    where relname like 'job%'
  `.execute(queries)
  return rows[0]?.pages ?? Number.NaN
}
