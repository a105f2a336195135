import { sql } from 'kysely'
import type { Database } from '../../src/jobs/sql/dialect.ts'
import { EVERY_TIER } from '../../src/jobs/new-job.fixture.ts'
import { openPostgresDatabase } from '../../src/jobs/postgres/database.ts'
import { SqlJobStore, UNLIMITED } from '../../src/jobs/sql/sql-store.ts'
import { openSqlite } from '../../src/jobs/sqlite/database.ts'
import { fillQueue } from '../../src/jobs/queue/waiting-jobs.fixture.ts'
import { hasPostgres, startPostgres } from '../../test/support/postgres.ts'
import { temporaryFolder } from '../../test/support/server.ts'
import { quantile, row } from './measurement.ts'
import type { ServiceRow } from './measurement.ts'

const LARGE_QUEUE = 1_000_000
const CLAIMS = 300
const KEYS = 100
const MODELS = ['openai/whisper-tiny', 'openai/whisper-small', 'sotto/whisper-demo']

interface Situation {
  readonly what: string
  readonly few: number
  readonly keys: number
  readonly columns?: Parameters<typeof fillQueue>[2]
  readonly runningJobs?: number
  readonly atMost?: number
  readonly goal: string
}

const SITUATIONS: readonly Situation[] = [
  { what: 'claim', few: 1000, keys: KEYS, goal: '≤ 2' },
  { what: 'claim of 8', few: 5000, keys: KEYS, atMost: 8, goal: '' },
  { what: 'claim, keys having a limit', few: 1000, keys: KEYS, runningJobs: 1000, goal: '' },
  { what: 'empty claim, all of a key at its limit', few: 10, keys: 1, runningJobs: 1, goal: 'as few' },
  {
    what: 'empty claim, all wait for a pause to end',
    few: 10,
    keys: KEYS,
    columns: { not_before: 9e9 },
    goal: 'as few',
  },
]

/** How long a claim takes with a million jobs waiting, beside one with few. */
export async function* claims(): AsyncGenerator<ServiceRow> {
  for (const situation of SITUATIONS) {
    await using folder = await temporaryFolder()
    await using database = await openSqlite(folder.path)
    yield await measure(database, 'SQLite', situation)
  }
  if (!hasPostgres) return
  await using server = await startPostgres({ fsync: true })
  for (const situation of SITUATIONS) {
    await using database = await openPostgresDatabase(await server.createDatabase())
    yield await measure(database, 'PostgreSQL', situation)
  }
}

async function measure(database: Database, on: string, situation: Situation): Promise<ServiceRow> {
  const { what, few, keys, columns, goal } = situation
  await fillQueue(database, few, columns, { keys, models: MODELS })
  const ceiling = await medianClaimMs(database, situation)
  await fillQueue(database, LARGE_QUEUE, columns, { keys, models: MODELS })
  const ours = await medianClaimMs(database, situation)
  return row({
    what: `${what}, with ${LARGE_QUEUE.toLocaleString('en')} jobs waiting`,
    on,
    ours,
    ceiling,
    unit: `ms; with ${few}`,
    goal,
  })
}

async function medianClaimMs(database: Database, { runningJobs, atMost = 1, few }: Situation): Promise<number> {
  await sql.raw(database.dialect.name === 'postgres' ? 'vacuum analyze jobs' : 'analyze jobs').execute(database.queries)
  const store = new SqlJobStore(database, {
    ...UNLIMITED,
    limits: { ...UNLIMITED.limits, runningJobs: runningJobs ?? null },
  })
  const options = { ...EVERY_TIER, atMost: { ordinary: atMost, express: 0 } }
  // The key reaches its limit.
  if (runningJobs === 1) await store.claim(options)
  const isEmpty = few === 10
  const times: number[] = []
  for (let n = 0; n < CLAIMS; n++) {
    const startMs = performance.now()
    const claimed = await store.claim(options)
    times.push(performance.now() - startMs)
    if (claimed.length !== (isEmpty ? 0 : atMost)) throw new Error(`${claimed.length} jobs were claimed`)
    for (const { lease } of claimed) await store.succeed(lease, 'results/bench.json')
  }
  return quantile(times, 0.5)
}
