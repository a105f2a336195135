import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { Cluster, KEY } from '../support/cluster.ts'
import { sotto, temporaryFolder } from '../support/server.ts'
import { untilWindows } from '../support/window-log.ts'
import { dumpPostgres } from './dump.ts'
import { storedBytes } from './fixture.ts'
import type { UpgradeFixture } from './fixture.ts'
import { CLIPS, IDEMPOTENCY_KEY, LONG, MANY_WINDOWS, SHORT, Visitor, pathOf } from './visitor.ts'

/** A lease that no round prolongs or takes back meanwhile. */
const LEASE = { SOTTO_LEASE: '600' }

/** API servers and workers on one PostgreSQL and one S3, which are killed at last. */
export async function makeCluster(): Promise<{ readonly fixture: UpgradeFixture; readonly sql: string }> {
  await using cluster = await Cluster.start()
  await using folder = await temporaryFolder()
  const jobs: UpgradeFixture['jobs'] = {}
  const environment = { ...cluster.environment, ...LEASE, SOTTO_PRECISION: 'f32', SOTTO_LOG_LEVEL: 'debug' }
  const api = await cluster.process('api', {
    environment: {
      ...environment,
      SOTTO_POLL_URL_TTL: String(366 * 86_400),
      SOTTO_MAX_AUDIO_SECONDS_PER_DAY: '100000',
    },
  })
  const { stdout } = await sotto(['keys', 'create', 'second'], { cwd: folder.path, environment })
  const second = stdout.trim()
  const visitor = new Visitor(api.url, KEY, jobs)
  const other = new Visitor(api.url, second, jobs)
  await using database = await connect(cluster.databaseUrl)
  const finished = await finishSome(cluster, environment, visitor)
  await breakOff(cluster, environment, visitor)
  await runSome(cluster, environment, [visitor, other])
  const uploads = { ...finished, ...(await upload(visitor)) }
  await api.end('SIGKILL')
  const { rows } = await database.client.query<{ due: number }>('select max(lease_until) as due from jobs')
  const fixture: UpgradeFixture = {
    // When the leases of those whose worker was killed have run out.
    madeAt: (rows[0]?.due ?? 0) + 1,
    keys: { environment: KEY, second },
    jobs,
    uploads,
    payloads: Object.fromEntries(
      [...cluster.s3.bucket.objects].map(([key, { bytes }]) => [key, storedBytes(bytes, CLIPS)]),
    ),
    parts: Object.fromEntries(
      [...cluster.s3.bucket.uploads.values()].map(({ id, key, parts }) => [
        id,
        { key, parts: [...parts.values()].map(({ bytes }) => storedBytes(bytes, CLIPS)) },
      ]),
    ),
  }
  return { fixture, sql: await dumpPostgres(cluster.databaseUrl) }
}

type Environment = Readonly<Record<string, string>>

async function finishSome(
  cluster: Cluster,
  environment: Environment,
  visitor: Visitor,
): Promise<UpgradeFixture['uploads']> {
  await using worker = await cluster.process('worker', { environment })
  const short = await visitor.upload(SHORT)
  await visitor.finish('success', { url: short, idempotencyKey: IDEMPOTENCY_KEY })
  await visitor.finish('long', { url: await visitor.upload(LONG) })
  await visitor.finish('undisturbed', { url: await visitor.upload(LONG), input: MANY_WINDOWS })
  await visitor.finish('failed', { url: await visitor.upload(Buffer.from('not a recording')) })
  const stuck = await visitor.finish('stuck', { url: await visitor.upload(SHORT) })
  cluster.s3.intercept = ({ method, query, refuse }) => {
    if (method === 'DELETE' || 'delete' in query) refuse('AccessDenied')
  }
  await visitor.remove(stuck)
  await using database = await connect(cluster.databaseUrl)
  await until(async () => (await database.client.query('select 1 from garbage where failures > 0')).rows.length > 0)
  cluster.s3.intercept = undefined
  await worker.end('SIGKILL')
  // A part of what was asked for with the idempotency key, so with its origin.
  return { sentTwice: short }
}

async function breakOff(cluster: Cluster, environment: Environment, visitor: Visitor): Promise<void> {
  await using worker = await cluster.process('worker', { environment })
  const crashed = await visitor.submit('crashed', { url: await visitor.upload(SHORT) })
  await until(async () => (await worker.engines()).length > 0)
  process.kill(await worker.engine(), 'SIGKILL')
  await visitor.untilWaitingFor(crashed, 'engine.crashed')
  await worker.end('SIGKILL')
}

/** Each key has one job that runs, and others wait for it. The worker is killed, and one of the two is cancelled only then. */
async function runSome(
  cluster: Cluster,
  environment: Environment,
  [visitor, other]: readonly [Visitor, Visitor],
): Promise<void> {
  const long = await visitor.upload(LONG)
  // Before all that waits already.
  const options = { priority: 'high' }
  const running = await visitor.submit('running', { url: long, input: MANY_WINDOWS, options })
  const cancelling = await other.submit('cancelling', { url: await other.upload(LONG), input: MANY_WINDOWS, options })
  const worker = await cluster.process('worker', { environment: { ...environment, SOTTO_MAX_RUNNING_JOBS: '1' } })
  for (const id of [running, cancelling]) await untilWindows(worker, id, 1)
  await visitor.submit('express', { url: await visitor.upload(SHORT) })
  await visitor.submit('ordinary', { url: long, options: { priority: 'low', timeout: 3600 } })
  await visitor.cancel(await visitor.submit('cancelled', { url: long }))
  for (const id of [running, cancelling]) await untilWindows(worker, id, 4)
  await worker.end('SIGKILL')
  await other.cancel(cancelling)
}

/** One upload that was not submitted yet, and one whose parts were not put together. */
async function upload(visitor: Visitor): Promise<UpgradeFixture['uploads']> {
  const { uploadUrl } = await visitor.client.json<{ uploadUrl: { PUT: string; parts: readonly [string] } }>(
    201,
    '/v1/input/upload-url?extension=ogg&parts=1',
    { method: 'POST' },
  )
  const recording = await readFile(join(import.meta.dirname, '../fixtures/audio', SHORT))
  await fetch(uploadUrl.parts[0], { method: 'PUT', body: recording })
  return { whole: pathOf(await visitor.upload(SHORT)), inParts: pathOf(uploadUrl.PUT) }
}

async function until(isReached: () => Promise<boolean>): Promise<void> {
  while (!(await isReached())) await delay(10)
}

async function connect(url: string): Promise<{ readonly client: pg.Client } & AsyncDisposable> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return { client, [Symbol.asyncDispose]: () => client.end() }
}
