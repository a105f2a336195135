import { setImmediate, setTimeout } from 'node:timers/promises'
import { sql } from 'kysely'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DeafProxy } from '../../../test/support/deaf-proxy.ts'
import { NEEDS_POSTGRES, hasPostgres, startPostgres } from '../../../test/support/postgres.ts'
import type { Postgres } from '../../../test/support/postgres.ts'
import { UnreliableProxy } from '../../../test/support/unreliable-proxy.ts'
import type { Database } from '../sql/dialect.ts'
import { newJob, submitted } from '../new-job.fixture.ts'
import { running } from '../running-job.fixture.ts'
import { SqlJobStore, UNLIMITED } from '../sql/sql-store.ts'
import { openPostgresDatabase } from './database.ts'
import { SharedNews } from './shared-news.ts'
import type { SharedNewsOptions } from './shared-news.ts'

/** A store with its news, and a record of how news came; `through` is the URL of the listening connection. */
async function open(url: string, given: Partial<SharedNewsOptions> & { readonly through?: string } = {}) {
  await using stack = new AsyncDisposableStack()
  const { through = url, ...options } = given
  const database: Database = stack.use(await openPostgresDatabase(url))
  const deliveries: string[] = []
  const errors: unknown[] = []
  const news = stack.use(
    await SharedNews.start({
      url: through,
      database: database.queries,
      onDelivery: (delivery, cause) =>
        void deliveries.push(cause instanceof Error ? `${delivery}: ${cause.message}` : delivery),
      onError: (error) => void errors.push(error),
      ...options,
    }),
  )
  const store = new SqlJobStore(database, UNLIMITED, news)
  const opened = stack.move()
  return { database, news, store, deliveries, errors, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

type Opened = Awaited<ReturnType<typeof open>>

/** What is heard of a job from now on. */
function listen({ news }: Pick<Opened, 'news'>, jobId: string): string[] {
  const heard: string[] = []
  news.on('claimable', () => void heard.push('claimable'))
  news.onJob('cancelRequested', jobId, () => void heard.push('cancelRequested'))
  news.onJob('finished', jobId, () => void heard.push('finished'))
  return heard
}

/** Resolves when the news that a job has finished is heard. */
function heardEnd({ news }: Pick<Opened, 'news'>, jobId: string): Promise<'heard'> {
  return new Promise((resolve) => void news.onJob('finished', jobId, () => resolve('heard')))
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await setTimeout(2)
}

/** What arrives on the channel, as any other client sees it. */
async function eavesdrop(url: string) {
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query('listen sotto_jobs')
  const payloads: string[] = []
  client.on('notification', ({ payload }) => void payloads.push(payload ?? ''))
  return { client, payloads, [Symbol.asyncDispose]: () => client.end() }
}

describe.skipIf(!hasPostgres)(`SharedNews${NEEDS_POSTGRES}`, () => {
  let postgres: Postgres
  beforeAll(async () => {
    postgres = await startPostgres({ fsync: false })
  })
  afterAll(() => postgres[Symbol.asyncDispose]())

  test('tells this process at once and others soon, and each only of what it waits for', async () => {
    const url = await postgres.createDatabase()
    await using here = await open(url)
    await using there = await open(url)
    const { lease } = await running(here.store)
    const other = await submitted(here.store)
    const [own, others] = [listen(here, lease.jobId), listen(there, lease.jobId)]
    await here.store.cancel(other.id)
    await here.store.cancel(lease.jobId)
    await setImmediate()
    expect(own).toEqual(['cancelRequested'])
    await until(() => others.includes('cancelRequested'))
    expect(others).not.toContain('finished')
    await here.store.settleCancelled(lease)
    await until(() => others.includes('finished'))
    await there.store.submit(newJob())
    await until(() => own.includes('claimable'))
    expect([here.deliveries, there.deliveries]).toEqual([['notified'], ['notified']])
  })

  test('NOTIFY says who looks, and not what at; nothing for each window', async () => {
    const url = await postgres.createDatabase()
    await using spy = await eavesdrop(url)
    let jobId: string
    {
      await using here = await open(url)
      const { lease } = await running(here.store)
      jobId = lease.jobId
      await until(() => spy.payloads.length === 2)
      for (let n = 0; n < 5; n++) await here.store.keepWindow(lease, n, '{}', 30 * n)
    }
    await spy.client.query("notify sotto_jobs, 'end'")
    await until(() => spy.payloads.includes('end'))
    expect(spy.payloads).toEqual([expect.stringMatching(/^probe /), expect.stringMatching(/^[\da-f-]{36}$/), 'end'])
    expect(spy.payloads.join(' ')).not.toContain(jobId)
  })

  test('sends the first at once, and then one NOTIFY in 20 ms at most', async () => {
    const url = await postgres.createDatabase()
    await using here = await open(url)
    await using spy = await eavesdrop(url)
    here.news.emit('claimable')
    await until(() => spy.payloads.length === 1)
    const startedAt = performance.now()
    for (let n = 0; spy.payloads.length < 8; n++) {
      if (n % 2 === 0) here.news.emit('claimable')
      else here.news.emitJob('finished', `${n}`)
      await setTimeout(1)
    }
    const intervals = (performance.now() - startedAt) / 20
    expect(spy.payloads.length - 1).toBeLessThanOrEqual(intervals + 1)
  })

  test('thousands of jobs that finish together are few NOTIFYs', async () => {
    const url = await postgres.createDatabase()
    await using here = await open(url)
    await using spy = await eavesdrop(url)
    const last = await submitted(here.store)
    await using there = await open(url)
    const ended = heardEnd(there, last.id)
    await until(() => spy.payloads.length > 0)
    for (let n = 0; n < 2_000; n++) here.news.emitJob('finished', `${n}`)
    await here.store.cancel(last.id)
    expect(await ended).toBe('heard')
    // Probes are none of them.
    expect(spy.payloads.filter((payload) => !payload.startsWith('probe')).length).toBeLessThan(10)
  })

  test('takes what others say on its channel for a look, which does no harm', async () => {
    const url = await postgres.createDatabase()
    await using here = await open(url)
    await using spy = await eavesdrop(url)
    const { id } = await submitted(here.store)
    const heard = listen(here, id)
    for (const payload of ['', '{', 'probe me', id]) {
      await spy.client.query('select pg_notify($1, $2)', ['sotto_jobs', payload])
    }
    await until(() => heard.length >= 4)
    expect(new Set(heard)).toEqual(new Set(['claimable']))
    expect(here.errors).toEqual([])
  })

  test('sends again what could not be sent', async () => {
    await using proxy = await UnreliableProxy.start({ host: '127.0.0.1', port: postgres.port })
    const url = await postgres.createDatabase()
    await using through = await openPostgresDatabase(proxy.through(url))
    await using here = await open(url, { database: through.queries })
    await using there = await open(url)
    const { id } = await submitted(there.store)
    await until(() => here.deliveries.length === 1)
    const ended = heardEnd(there, id)
    proxy.become({ kind: 'drop' })
    await here.store.cancel(id)
    await until(() => here.errors.length > 0)
    proxy.become({ kind: 'pass' })
    expect(await ended).toBe('heard')
  })

  test('sends what it was told last before it ends', async () => {
    const url = await postgres.createDatabase()
    await using there = await open(url)
    await using spy = await eavesdrop(url)
    const { id } = await submitted(there.store)
    const ended = heardEnd(there, id)
    {
      await using here = await open(url)
      await until(() => spy.payloads.length > 0)
      await here.store.submit(newJob())
      // Within the interval of the notice before.
      await here.store.cancel(id)
    }
    expect(await ended).toBe('heard')
  })

  test('a notice that got lost is made up for by the next one, or by a poll', async () => {
    await using proxy = await DeafProxy.start(postgres.port)
    proxy.deaf = false
    const url = await postgres.createDatabase()
    const timing = { probeMs: 100, aliveMs: 60_000 }
    await using here = await open(url, { through: proxy.through(url), timing })
    await using there = await open(url)
    expect(here.news.delivery).toBe('notified')
    const lost = await submitted(there.store)
    const ended = heardEnd(here, lost.id)
    proxy.deaf = true
    await there.store.cancel(lost.id)
    await using spy = await eavesdrop(url)
    await there.store.submit(newJob())
    await until(() => spy.payloads.length > 0)
    proxy.deaf = false
    await there.store.submit(newJob())
    expect(await ended).toBe('heard')
  })

  test('listens again when its connection was ended, and catches up', async () => {
    const url = await postgres.createDatabase()
    await using here = await open(url)
    await using there = await open(url)
    const { id } = await submitted(there.store)
    const ended = heardEnd(here, id)
    await sql`
      update jobs set status = 'cancelled', completed_at = 1 where id = ${id}
    `.execute(there.database.queries)
    await sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'sotto-news' and pid <> pg_backend_pid() and datname = current_database()
    `.execute(there.database.queries)
    await until(() => here.deliveries.length >= 3 && there.deliveries.length >= 3)
    expect(await ended).toBe('heard')
    expect(here.deliveries).toEqual(['notified', expect.stringMatching(/^polled: .* (ended|terminat)/), 'notified'])
    const second = await submitted(there.store)
    const heard = heardEnd(here, second.id)
    await there.store.cancel(second.id)
    expect(await heard).toBe('heard')
  })

  test('notices that its connection has died in silence', async () => {
    await using proxy = await UnreliableProxy.start({ host: '127.0.0.1', port: postgres.port })
    const url = await postgres.createDatabase()
    const timing = { aliveMs: 50, pollMs: 50 }
    await using here = await open(url, { through: proxy.through(url), timing })
    proxy.become({ kind: 'stall' })
    await until(() => here.deliveries.length === 2)
    await new Promise<void>((resolve) => void here.news.on('claimable', resolve))
    proxy.become({ kind: 'pass' })
    await until(() => here.deliveries.length === 3)
    expect(here.deliveries).toEqual(['notified', expect.stringMatching(/^polled/), 'notified'])
  })

  test('polls where notices do not arrive, tells others all the same, and hears when they arrive', async () => {
    await using proxy = await DeafProxy.start(postgres.port)
    const url = await postgres.createDatabase()
    const timing = { probeMs: 100, pollMs: 20, deafMs: 200 }
    await using here = await open(url, { through: proxy.through(url), timing })
    await using there = await open(url)
    expect(here.news.delivery).toBe('polled')
    expect(here.deliveries).toEqual([expect.stringContaining('does not deliver notifications')])
    const [own, others] = [await running(here.store), await submitted(here.store)]
    const told = heardEnd(there, others.id)
    await here.store.cancel(others.id)
    expect(await told).toBe('heard')
    const heard = listen(here, own.lease.jobId)
    await there.store.cancel(own.lease.jobId)
    await until(() => heard.includes('cancelRequested'))
    await until(() => heard.filter((news) => news === 'claimable').length >= 3)
    await there.store.settleCancelled(own.lease)
    await until(() => heard.includes('finished'))
    proxy.deaf = false
    await until(() => here.news.delivery === 'notified')
    const last = await submitted(there.store)
    const ended = heardEnd(here, last.id)
    await there.store.cancel(last.id)
    expect(await ended).toBe('heard')
    expect(here.errors).toEqual([])
  })

  test('reports a poll that fails, and polls again', async () => {
    await using deaf = await DeafProxy.start(postgres.port)
    await using proxy = await UnreliableProxy.start({ host: '127.0.0.1', port: postgres.port })
    const url = await postgres.createDatabase()
    await using through = await openPostgresDatabase(proxy.through(url))
    await using there = await open(url)
    const timing = { probeMs: 50, pollMs: 20 }
    await using here = await open(url, { through: deaf.through(url), database: through.queries, timing })
    const { id } = await submitted(there.store)
    const ended = heardEnd(here, id)
    proxy.become({ kind: 'drop' })
    await until(() => here.errors.length > 0)
    await there.store.cancel(id)
    proxy.become({ kind: 'pass' })
    expect(await ended).toBe('heard')
    expect(here.errors[0]).toMatchObject({ code: 'store.unavailable' })
  })

  test('stops its start when it is told to', async () => {
    await using proxy = await UnreliableProxy.start({ host: '127.0.0.1', port: postgres.port })
    const url = await postgres.createDatabase()
    proxy.become({ kind: 'stall' })
    const stop = new AbortController()
    const opened = open(url, { through: proxy.through(url), signal: stop.signal })
    await until(() => proxy.connections === 1)
    stop.abort(new Error('enough'))
    await expect(opened).rejects.toThrow('enough')
  })
})

describe.skipIf(!hasPostgres)(`SharedNews and a server that goes and comes${NEEDS_POSTGRES}`, () => {
  test('listens again', async () => {
    await using postgres = await startPostgres({ fsync: false })
    const url = await postgres.createDatabase()
    await using here = await open(url)
    await using there = await open(url)
    await postgres.kill()
    await until(() => here.news.delivery === 'polled' && there.news.delivery === 'polled')
    await postgres.restart()
    await until(() => here.news.delivery === 'notified' && there.news.delivery === 'notified')
    const { id } = await submitted(here.store)
    const ended = heardEnd(there, id)
    await here.store.cancel(id)
    expect(await ended).toBe('heard')
  })

  test('can start without it', async () => {
    await using postgres = await startPostgres({ fsync: false })
    const url = await postgres.createDatabase()
    await using database = await openPostgresDatabase(url)
    await postgres.kill()
    await using news = await SharedNews.start({ url, database: database.queries })
    expect(news.delivery).toBe('polled')
    const claimable = new Promise<void>((resolve) => void news.on('claimable', resolve))
    await postgres.restart()
    await claimable
    await until(() => news.delivery === 'notified')
  })
})
