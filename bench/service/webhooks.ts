import pino from 'pino'
import { temporaryFolder } from '../../test/support/server.ts'
import { newJob } from '../../src/jobs/new-job.fixture.ts'
import { openPostgresDatabase } from '../../src/jobs/postgres/database.ts'
import type { Database } from '../../src/jobs/sql/dialect.ts'
import { SqlJobStore } from '../../src/jobs/sql/sql-store.ts'
import { openSqlite } from '../../src/jobs/sqlite/database.ts'
import { OutboundClient } from '../../src/outbound/client.ts'
import { OutboundGuard } from '../../src/outbound/guard.ts'
import { tryDelivery } from '../../src/webhooks/attempt.ts'
import { Deliverer } from '../../src/webhooks/deliverer.ts'
import { jobWebhook } from '../../src/webhooks/endpoint.ts'
import { Outbox } from '../../src/webhooks/outbox.ts'
import { Webhooks } from '../../src/webhooks/webhooks.ts'
import { row, startChild } from './measurement.ts'
import type { ServiceRow } from './measurement.ts'
import { withPostgres } from './shared.ts'

const JOBS = 4000
const KEYS = 8
/** As many as the deliverer has under way. */
const CONCURRENCY = 64
const PAUSE_MS = 10

/** Webhooks that a server delivers, from the transition to the settled delivery, beside the same requests without a database. */
export async function* webhooks(): AsyncGenerator<ServiceRow> {
  await using receiver = await startChild('constant.child.ts', '{}')
  {
    await using folder = await temporaryFolder()
    await using database = await openSqlite(folder.path)
    yield await deliveries('SQLite', database, receiver.url)
  }
  yield* withPostgres(async function* (environment) {
    await using database = await openPostgresDatabase(environment['DATABASE_URL'] ?? '')
    yield await deliveries('PostgreSQL, one API server', database, receiver.url)
  })
}

async function deliveries(on: string, database: Database, url: string): Promise<ServiceRow> {
  const guard = new OutboundGuard({ allow: ['127.0.0.1', '::1'] })
  await using client = new OutboundClient({ guard })
  const store = new SqlJobStore(database)
  const { secrets, defaults } = new Webhooks({ database, guard, client })
  const requestsMs = await timed(() => requests(client, url))
  const endpoint = { url, include: [], secret: null }
  for (let n = 0; n < JOBS; n += KEYS) {
    const jobs = Array.from({ length: KEYS }, (_, key) => {
      const keyId = `key-${key}`
      return newJob({ keyId, webhook: jobWebhook(keyId, { base: url, endpoint }, ['job.accepted']) })
    })
    await Promise.all(jobs.map((job) => store.submit(job)))
  }
  const links = (): Promise<Record<string, string>> => Promise.resolve({ GET: url })
  const outbox = new Outbox(database)
  const deliveriesMs = await timed(async () => {
    await using _ = new Deliverer({
      ...{ outbox, jobs: store, news: store, client, secrets, defaults, links },
      result: () => Promise.resolve(null),
      logger: pino({ level: 'warn' }),
    })
    while (await isAnyLeft(database)) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  })
  return row({
    what: `webhooks of ${KEYS} keys to one receiver`,
    on,
    ours: (1000 * JOBS) / deliveriesMs,
    ceiling: (1000 * JOBS) / requestsMs,
    unit: 'a second; the requests alone',
    goal: '',
  })
}

/** The same requests, signed, without anything that is written down. */
async function requests(client: OutboundClient, url: string): Promise<void> {
  const secrets = [`whsec_${Buffer.alloc(32).toString('base64')}`]
  const { signal } = new AbortController()
  let left = JOBS
  const ask = async (): Promise<void> => {
    while (left-- > 0) {
      const message = { id: 'evt_1', at: new Date(), body: '{"type":"job.accepted","data":{}}' }
      const { attempt } = await tryDelivery({ client, url, secrets, signal, message })
      if (attempt.code !== null) throw new Error(`the receiver: ${attempt.code} ${attempt.detail ?? ''}`)
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, ask))
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startMs = performance.now()
  await work()
  return performance.now() - startMs
}

async function isAnyLeft({ queries }: Database): Promise<boolean> {
  const left = await queries
    .selectFrom('webhook_deliveries')
    .select('id')
    .where('due_at', 'is not', null)
    .limit(1)
    .execute()
  return left.length > 0
}
