import { readFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NEEDS_POSTGRES, hasPostgres, startPostgres } from '../../../test/support/postgres.ts'
import type { Postgres } from '../../../test/support/postgres.ts'
import type { Database } from '../sql/dialect.ts'
import { EVERY_TIER } from '../new-job.fixture.ts'
import { openPostgresDatabase } from '../postgres/database.ts'
import { SqlJobStore, UNLIMITED } from '../sql/sql-store.ts'
import { openSqlite } from '../sqlite/database.ts'
import type { JobStore } from '../job-store.ts'
import { fillQueue } from './waiting-jobs.fixture.ts'

const SMALL_QUEUE = 1000
const LARGE_QUEUE = 10_000

/** Reads pages, and says how many. */
type Meter = (work: () => Promise<unknown>) => Promise<number>

const SITUATIONS = {
  'all are of a key at its limit': { columns: {}, runningJobs: 1 },
  'all wait for their pause to end': { columns: { not_before: 9e9 }, runningJobs: null },
  'all had to start by now': { columns: { start_by: 1000 }, runningJobs: null },
} as const

type Situation = (typeof SITUATIONS)[keyof typeof SITUATIONS]

/**
 * What a claim that finds nothing, and `waiting`, cost with few jobs and with many: in pages that are read, not in time. The indexes have another
 * level with many jobs, and are descended once for each queue.
 */
async function costs(
  database: Database,
  meter: Meter,
  { columns, runningJobs }: Situation,
): Promise<{ readonly few: number; readonly many: number }> {
  const store = new SqlJobStore(database, { ...UNLIMITED, limits: { ...UNLIMITED.limits, runningJobs } })
  const cost = async (): Promise<number> => {
    // The first one moves what is not where it belongs, each job once.
    await emptyClaim(store)
    return await meter(() => emptyClaim(store))
  }
  await fillQueue(database, SMALL_QUEUE, columns)
  // A key reaches its limit.
  await store.claim(EVERY_TIER)
  const few = await cost()
  await fillQueue(database, LARGE_QUEUE, columns)
  return { few, many: await cost() }
}

async function emptyClaim(store: JobStore): Promise<void> {
  expect(await store.claim(EVERY_TIER)).toEqual([])
  expect(await store.waiting(EVERY_TIER.asked)).toEqual([])
}

describe.skipIf(!hasPostgres)(
  `PostgreSQL reads as much for an empty claim with ${LARGE_QUEUE} jobs as with ${SMALL_QUEUE}${NEEDS_POSTGRES}`,
  () => {
    let server: Postgres
    beforeAll(async () => {
      server = await startPostgres({ fsync: false })
    })
    afterAll(() => server[Symbol.asyncDispose]())

    test.each(Object.entries(SITUATIONS))('when %s', async (_, situation) => {
      await using database = await openPostgresDatabase(await server.createDatabase())
      const pages = async (): Promise<number> => {
        // A connection tells of what it has read when a transaction ends, now and then.
        await sql`select pg_stat_force_next_flush()`.execute(database.queries)
        const { rows } = await sql<{ pages: number }>`
        select heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit as pages from pg_statio_user_tables where relname = 'jobs'
      `.execute(database.queries)
        return rows[0]?.pages ?? Number.NaN
      }
      const { few, many } = await costs(
        database,
        async (work) => {
          // Dead versions of jobs that have left the queue are the vacuum's affair.
          await sql`vacuum jobs`.execute(database.queries)
          const before = await pages()
          await work()
          return (await pages()) - before
        },
        situation,
      )
      expect(few).toBeGreaterThan(0)
      expect(many).toBeLessThan(3 * few)
    })
  },
)

describe.skipIf(process.platform !== 'linux')(
  `SQLite reads as much for an empty claim with ${LARGE_QUEUE} jobs as with ${SMALL_QUEUE}`,
  () => {
    test.each(Object.entries(SITUATIONS))('when %s', async (_, situation) => {
      await using folder = await mkdtempDisposable(join(tmpdir(), 'sotto-claims-'))
      await using database = await openSqlite(folder.path)
      // Without a cache, each page that is visited is read from the file.
      await sql`pragma cache_size = 0`.execute(database.queries)
      const { few, many } = await costs(
        database,
        async (work) => {
          await sql`pragma wal_checkpoint(truncate)`.execute(database.queries)
          const before = bytesRead()
          await work()
          return (bytesRead() - before) / 4096
        },
        situation,
      )
      expect(few).toBeGreaterThan(0)
      expect(many).toBeLessThan(3 * few)
    })
  },
)

function bytesRead(): number {
  return Number(/^rchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1])
}
