import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NEEDS_POSTGRES, hasPostgres, startPostgres } from '../../../test/support/postgres.ts'
import type { Postgres } from '../../../test/support/postgres.ts'
import type { Database } from '../sql/dialect.ts'
import { EVERY_TIER } from '../new-job.fixture.ts'
import { pagesRead } from '../page-reads.fixture.ts'
import { openPostgresDatabase } from '../postgres/database.ts'
import { SqlJobStore, UNLIMITED } from '../sql/sql-store.ts'
import { openSqlite } from '../sqlite/database.ts'
import type { JobStore } from '../job-store.ts'
import { fillQueue } from './waiting-jobs.fixture.ts'

const SMALL_QUEUE = 1000
const LARGE_QUEUE = 10_000

const SITUATIONS = {
  'all are of a key at its limit': { columns: {}, runningJobs: 1, ownLimit: null },
  'all are of a key at a limit of its own': { columns: {}, runningJobs: null, ownLimit: 1 },
  'all wait for their pause to end': { columns: { not_before: 9e9 }, runningJobs: null, ownLimit: null },
  'all had to start by now': { columns: { start_by: 1000 }, runningJobs: null, ownLimit: null },
} as const

type Situation = (typeof SITUATIONS)[keyof typeof SITUATIONS]

/**
 * What a claim that finds nothing, and `waiting`, cost with few jobs and with many: in pages that are read, not in time. The indexes have another
 * level with many jobs, and are descended once for each queue.
 */
async function costs(
  database: Database,
  { columns, runningJobs, ownLimit }: Situation,
): Promise<{ readonly few: number; readonly many: number }> {
  const store = new SqlJobStore(database, { ...UNLIMITED, limits: { ...UNLIMITED.limits, runningJobs } })
  const cost = async (): Promise<number> => {
    // The first one moves what is not where it belongs, each job once.
    await emptyClaim(store)
    return await pagesRead(database, () => emptyClaim(store))
  }
  if (ownLimit !== null) {
    const key = { id: 'key-0', name: '', prefix: '', hash: '', running_jobs: ownLimit }
    await database.queries.insertInto('api_keys').values(key).execute()
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
      const { few, many } = await costs(database, situation)
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
      const { few, many } = await costs(database, situation)
      expect(few).toBeGreaterThan(0)
      expect(many).toBeLessThan(3 * few)
    })
  },
)
