import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Client } from '../../test/support/client.ts'
import { fixture } from '../../test/support/clips.ts'
import { Server, temporaryFolder } from '../../test/support/server.ts'
import { sql } from 'kysely'
import type { Database } from '../../src/jobs/sql/dialect.ts'
import { newJob } from '../../src/jobs/new-job.fixture.ts'
import { openPostgresDatabase } from '../../src/jobs/postgres/database.ts'
import { SqlJobStore } from '../../src/jobs/sql/sql-store.ts'
import { openSqlite } from '../../src/jobs/sqlite/database.ts'
import type { NewJob } from '../../src/jobs/job-store.ts'
import { KEY } from '../../test/support/cluster.ts'
import { answersPerSecond, row } from './measurement.ts'
import type { ServiceRow } from './measurement.ts'
import { withPostgres } from './shared.ts'

const GROUP = 100
/** Its worker takes other jobs: submits alone are measured. */
const IDLE = { SOTTO_TIERS: 'gpuflex' }
const JOBS = 20_000

/** Durable submits: of the store beside the raw database with the same rows and commits, and over HTTP. */
export async function* submits(): AsyncGenerator<ServiceRow> {
  {
    await using folder = await temporaryFolder()
    await using database = await openSqlite(folder.path)
    using raw = rawSqlite(join(folder.path, 'sotto.db'))
    yield await storeRow('SQLite', new SqlJobStore(database), raw.insert)
    await using server = await Server.start({ dataDir: folder.path, environment: { SOTTO_LOG_LEVEL: 'warn', ...IDLE } })
    yield await httpRow('embedded', server, server.newKey ?? '', '≥ 3000')
  }
  yield* withPostgres(async function* (environment) {
    const url = environment['DATABASE_URL'] ?? ''
    await using database = await openPostgresDatabase(url)
    yield await storeRow('PostgreSQL', new SqlJobStore(database), rawPostgres(database))
    await using folder = await temporaryFolder()
    await using server = await Server.start({ role: 'api', dataDir: folder.path, environment })
    yield await httpRow('PostgreSQL, one API server', server, KEY, '')
  })
}

/** In turns, so that both meet a table of the same size. */
async function storeRow(
  on: string,
  store: SqlJobStore,
  insert: (jobs: readonly NewJob[]) => Promise<void>,
): Promise<ServiceRow> {
  const spentMs = { ours: 0, raw: 0 }
  const timed = async (
    whose: keyof typeof spentMs,
    work: (jobs: readonly NewJob[]) => Promise<unknown>,
  ): Promise<void> => {
    const jobs = Array.from({ length: GROUP }, (_, index) => jobOf(index))
    const startMs = performance.now()
    await work(jobs)
    spentMs[whose] += performance.now() - startMs
  }
  for (let n = 0; n < JOBS; n += GROUP) {
    await timed('raw', insert)
    await timed('ours', (jobs) => Promise.all(jobs.map((job) => store.submit(job))))
  }
  return row({
    what: `submits to the store, ${GROUP} at a time`,
    on,
    ours: (1000 * JOBS) / spentMs.ours,
    ceiling: (1000 * JOBS) / spentMs.raw,
    unit: 'a second; the raw database',
    goal: '≥ 0.5',
  })
}

function jobOf(index: number): NewJob {
  return newJob({ keyId: `key-${index % 10}` })
}

const COLUMNS = [
  'id',
  'key_id',
  'model',
  'status',
  'service_tier',
  'input',
  'payload_key',
  'audio_seconds',
  'urgent',
  'queue',
  'rank',
]

function valuesOf(job: NewJob, rank: number): readonly (string | number)[] {
  const { id, keyId, model, serviceTier, input, payloadKey, audioSeconds } = job
  return [
    id,
    keyId,
    model,
    'pending',
    serviceTier,
    JSON.stringify(input),
    payloadKey,
    audioSeconds,
    0,
    'cpuflex/ordinary/x',
    rank,
  ]
}

/** The same table with its indexes, one prepared insert, one commit for each group. */
function rawSqlite(path: string): { readonly insert: (jobs: readonly NewJob[]) => Promise<void> } & Disposable {
  const database = new DatabaseSync(path)
  database.exec('pragma synchronous = full')
  const statement = database.prepare(`insert into jobs (${COLUMNS.join()}) values (${COLUMNS.map(() => '?').join()})`)
  const insert = async (jobs: readonly NewJob[]): Promise<void> => {
    database.exec('begin')
    for (const [index, job] of jobs.entries()) statement.run(...valuesOf(job, index))
    database.exec('commit')
  }
  return { insert, [Symbol.dispose]: () => database.close() }
}

/** One insert of many rows for each group. */
function rawPostgres({ queries }: Database): (jobs: readonly NewJob[]) => Promise<void> {
  const names = sql.join(COLUMNS.map((name) => sql.ref(name)))
  return async (jobs) => {
    const rows = jobs.map((job, index) => sql`(${sql.join(valuesOf(job, index))})`)
    await sql`insert into jobs (${names}) values ${sql.join(rows)}`.execute(queries)
  }
}

async function httpRow(on: string, server: Server, key: string, goal: string): Promise<ServiceRow> {
  const client = new Client(server.url, key)
  const [ours] = await answersPerSecond({
    url: `${server.url}/v1/async/ent/tiyarofs/1/sotto/whisper-demo`,
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ URL: await client.upload(fixture('en-short.wav')), input: { language: 'en' } }),
    connections: 100,
  })
  return row({ what: 'submits over HTTP', on, ours, ceiling: null, unit: 'a second', goal })
}
