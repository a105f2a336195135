import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Client } from '../../test/support/client.ts'
import { fixture } from '../../test/support/clips.ts'
import { Server, temporaryFolder } from '../../test/support/server.ts'
import { sql } from 'kysely'
import type { Database } from '../../src/jobs/dialect.ts'
import { newJob } from '../../src/jobs/new-job.fixture.ts'
import { openPostgresDatabase } from '../../src/jobs/postgres/database.ts'
import { SqlJobStore } from '../../src/jobs/sql-store.ts'
import { openSqlite } from '../../src/jobs/sqlite/database.ts'
import type { NewJob } from '../../src/jobs/store.ts'
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
    const ceiling = rawSqlite(join(folder.path, 'sotto.db'))
    yield storeRow('SQLite', await storeRate(new SqlJobStore(database)), ceiling)
    await using server = await Server.start({ dataDir: folder.path, environment: { SOTTO_LOG_LEVEL: 'warn', ...IDLE } })
    yield await httpRow('embedded', server, server.newKey ?? '', '≥ 3000')
  }
  yield* withPostgres(async function* (environment) {
    const url = environment['DATABASE_URL'] ?? ''
    await using database = await openPostgresDatabase(url)
    const ceiling = await rawPostgres(database)
    yield storeRow('PostgreSQL', await storeRate(new SqlJobStore(database)), ceiling)
    await using folder = await temporaryFolder()
    await using server = await Server.start({ role: 'api', dataDir: folder.path, environment })
    yield await httpRow('PostgreSQL, one API server', server, KEY, '')
  })
}

function storeRow(on: string, ours: number, ceiling: number): ServiceRow {
  return row({
    what: `submits to the store, ${GROUP} at a time`,
    on,
    ours,
    ceiling,
    unit: 'a second; the raw database',
    goal: '≥ 0.5',
  })
}

async function storeRate(store: SqlJobStore): Promise<number> {
  const startMs = performance.now()
  for (let n = 0; n < JOBS; n += GROUP) {
    await Promise.all(Array.from({ length: GROUP }, (_, index) => store.submit(jobOf(index))))
  }
  return (1000 * JOBS) / (performance.now() - startMs)
}

function jobOf(index: number): NewJob {
  return newJob({ keyId: `key-${index % 10}` })
}

const COLUMNS = [
  'id',
  'key_id',
  'model',
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
  return [id, keyId, model, serviceTier, JSON.stringify(input), payloadKey, audioSeconds, 0, 'cpuflex/ordinary/x', rank]
}

/** The same table with its indexes, one prepared insert, one commit for each group. */
function rawSqlite(path: string): number {
  const database = new DatabaseSync(path)
  database.exec('pragma synchronous = full')
  const insert = database.prepare(`insert into jobs (${COLUMNS.join()}) values (${COLUMNS.map(() => '?').join()})`)
  const startMs = performance.now()
  for (let n = 0; n < JOBS; n += GROUP) {
    database.exec('begin')
    for (let index = 0; index < GROUP; index++) insert.run(...valuesOf(jobOf(index), n + index))
    database.exec('commit')
  }
  const rate = (1000 * JOBS) / (performance.now() - startMs)
  database.close()
  return rate
}

/** One insert of many rows for each group. */
async function rawPostgres({ queries }: Database): Promise<number> {
  const names = sql.join(COLUMNS.map((name) => sql.ref(name)))
  const startMs = performance.now()
  for (let n = 0; n < JOBS; n += GROUP) {
    const rows = Array.from({ length: GROUP }, (_, index) => sql`(${sql.join(valuesOf(jobOf(index), n + index))})`)
    await sql`insert into jobs (${names}) values ${sql.join(rows)}`.execute(queries)
  }
  return (1000 * JOBS) / (performance.now() - startMs)
}

async function httpRow(on: string, server: Server, key: string, goal: string): Promise<ServiceRow> {
  const client = new Client(server.url, key)
  const ours = await answersPerSecond({
    url: `${server.url}/v1/async/ent/tiyarofs/1/sotto/whisper-demo`,
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ URL: await client.upload(fixture('en-short.wav')), input: { language: 'en' } }),
    connections: 100,
  })
  return row({ what: 'submits over HTTP', on, ours, ceiling: null, unit: 'a second', goal })
}
