import { sql } from 'kysely'
import type { Database } from '../../src/jobs/sql/dialect.ts'
import { EVERY_TIER } from '../../src/jobs/new-job.fixture.ts'
import { openPostgresDatabase } from '../../src/jobs/postgres/database.ts'
import { SqlJobStore } from '../../src/jobs/sql/sql-store.ts'
import { openSqlite } from '../../src/jobs/sqlite/database.ts'
import { temporaryFolder } from '../../test/support/server.ts'
import { quantile, row } from './measurement.ts'
import type { ServiceRow } from './measurement.ts'
import { withPostgres } from './shared.ts'

const SMALL_QUEUE = 1000
const LARGE_QUEUE = 1_000_000
/** No statement is to take too long. */
const JOBS_PER_INSERT = 50_000
const CLAIMS = 500

/** How long a claim takes with a million jobs waiting, beside one with a thousand. */
export async function* claims(): AsyncGenerator<ServiceRow> {
  {
    await using folder = await temporaryFolder()
    await using database = await openSqlite(folder.path)
    yield await claimsOf(database, 'SQLite')
  }
  yield* withPostgres(async function* ({ DATABASE_URL = '' }) {
    await using database = await openPostgresDatabase(DATABASE_URL)
    yield await claimsOf(database, 'PostgreSQL')
  })
}

async function claimsOf(database: Database, on: string): Promise<ServiceRow> {
  await fill(database, SMALL_QUEUE)
  const ceiling = await medianClaimMs(database)
  for (let filled = 0; filled < LARGE_QUEUE; filled += JOBS_PER_INSERT) await fill(database, JOBS_PER_INSERT)
  const ours = await medianClaimMs(database)
  return row({ what: 'claim with 1,000,000 jobs waiting', on, ours, ceiling, unit: 'ms; with 1,000', goal: '≤ 2' })
}

async function medianClaimMs(database: Database): Promise<number> {
  await sql`analyze jobs`.execute(database.queries)
  const store = new SqlJobStore(database)
  const times: number[] = []
  for (let n = 0; n < CLAIMS; n++) {
    const startMs = performance.now()
    const [claimed] = await store.claim(EVERY_TIER)
    if (claimed === undefined) throw new Error('there was nothing to claim')
    times.push(performance.now() - startMs)
    await store.succeed(claimed.lease, 'results/bench.json')
  }
  return quantile(times, 0.5)
}

/** Of a hundred keys, three models, two tiers, short and long. */
async function fill({ queries, dialect }: Database, jobs: number): Promise<void> {
  const numbers =
    dialect.name === 'postgres'
      ? sql`generate_series(1, ${jobs}::int) as numbers(n)`
      : sql`(with recursive counting(n) as (select 1 union all select n + 1 from counting where n < ${jobs}) select n from counting)`
  const text = dialect.name === 'postgres' ? sql`gen_random_uuid()::text` : sql`hex(randomblob(16))`
  const seconds = sql`(10 + (n * 37) % 5000)`
  const tier = sql`(case n % 2 when 0 then 'cpuflex' else 'gpuflex' end)`
  const model = sql`(case n % 3 when 0 then 'openai/whisper-tiny' when 1 then 'openai/whisper-small' else 'sotto/whisper-demo' end)`
  const kind = sql`(case when ${seconds} <= 60 then '/express/' else '/ordinary/' end)`
  await sql`
    insert into jobs (id, key_id, model, status, service_tier, input, payload_key, audio_seconds, urgent, queue, lane, rank)
    select ${text}, 'key-' || cast(n % 100 as text), ${model}, 'pending', ${tier}, '{}', 'uploads/' || ${text} || '.mp3', ${seconds}, 0,
      ${tier} || ${kind} || ${model}, n % 4, 1700000000 + n * 10.0 + ${seconds}
    from ${numbers}
  `.execute(queries)
}
