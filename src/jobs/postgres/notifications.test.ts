import { randomUUID } from 'node:crypto'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { sql } from 'kysely'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DeafProxy } from '../../../test/support/deaf-proxy.ts'
import { NEEDS_POSTGRES, hasPostgres, startPostgres } from '../../../test/support/postgres.ts'
import type { Postgres } from '../../../test/support/postgres.ts'
import { UnreliableProxy } from '../../../test/support/unreliable-proxy.ts'
import { openPostgres } from './connection.ts'
import { PostgresEvents } from './notifications.ts'
import type { MissedEvents, PostgresEventsOptions } from './notifications.ts'

/** Events, the database that they are sent by, and a record of all that listeners heard and of how events came. */
async function open(url: string, options: Partial<PostgresEventsOptions> = {}) {
  const database = await openPostgres(url)
  const heard: string[] = []
  const deliveries: string[] = []
  const errors: unknown[] = []
  const events = await PostgresEvents.start({
    url,
    database,
    poll: async () => ({ cancelRequested: [], finished: [] }),
    onDelivery: (delivery, cause) =>
      void deliveries.push(cause instanceof Error ? `${delivery}: ${cause.message}` : delivery),
    onError: (error) => void errors.push(error),
    ...options,
  })
  events.on('claimable', () => void heard.push('claimable'))
  events.on('cancelRequested', (id) => void heard.push(`cancelRequested ${id}`))
  events.on('finished', (id) => void heard.push(`finished ${id}`))
  return {
    database,
    events,
    heard,
    deliveries,
    errors,
    async [Symbol.asyncDispose]() {
      await events[Symbol.asyncDispose]()
      await database.destroy()
    },
  }
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

describe.skipIf(!hasPostgres)(`PostgresEvents${NEEDS_POSTGRES}`, () => {
  let postgres: Postgres
  beforeAll(async () => {
    postgres = await startPostgres({ fsync: false })
  })
  afterAll(() => postgres[Symbol.asyncDispose]())

  test('tells this process at once and others soon, each of them once', async () => {
    const url = await postgres.createDatabase()
    await using here = await open(url)
    await using there = await open(url)
    here.events.emit('claimable')
    here.events.emit('cancelRequested', '1')
    here.events.emit('finished', '2')
    const told = ['claimable', 'cancelRequested 1', 'finished 2']
    await setImmediate()
    expect(here.heard).toEqual(told)
    await until(() => there.heard.length >= 3)
    there.events.emit('finished', 'last')
    await until(() => here.heard.includes('finished last'))
    expect(here.heard).toEqual([...told, 'finished last'])
    expect(there.heard).toEqual([...told, 'finished last'])
    expect([here.deliveries, there.deliveries]).toEqual([['notified'], ['notified']])
  })

  test('sends the first at once, and then one NOTIFY in 20 ms at most', async () => {
    const url = await postgres.createDatabase()
    await using here = await open(url)
    await using spy = await eavesdrop(url)
    here.events.emit('claimable')
    await until(() => spy.payloads.length === 1)
    const startedAt = performance.now()
    for (let n = 0; spy.payloads.length < 8; n++) {
      if (n % 2 === 0) here.events.emit('claimable')
      else here.events.emit('finished', `${n}`)
      await setTimeout(1)
    }
    here.events.emit('finished', 'last')
    await until(() => spy.payloads.at(-1)?.includes('last') === true)
    const intervals = (performance.now() - startedAt) / 20
    expect(spy.payloads.length - 1).toBeLessThanOrEqual(intervals + 1)
  })

  test('tells of thousands of jobs, in their order, by few NOTIFYs', async () => {
    const url = await postgres.createDatabase()
    await using here = await open(url)
    await using there = await open(url)
    await using spy = await eavesdrop(url)
    const ids = Array.from({ length: 2_000 }, () => randomUUID())
    for (const id of ids) here.events.emit('finished', id)
    await until(() => there.heard.length >= 2_000)
    expect(there.heard).toEqual(ids.map((id) => `finished ${id}`))
    expect(spy.payloads.length).toBeLessThan(15)
  })

  test('ignores what others say on its channel', async () => {
    const url = await postgres.createDatabase()
    await using here = await open(url)
    await using spy = await eavesdrop(url)
    for (const payload of ['', '{', 'null', '{"from":7,"finished":["x"]}', '{"from":"a stranger","finished":["1"]}']) {
      await spy.client.query('select pg_notify($1, $2)', ['sotto_jobs', payload])
    }
    await until(() => here.heard.length > 0)
    expect(here.heard).toEqual(['finished 1'])
  })

  test('sends again what could not be sent', async () => {
    await using proxy = await UnreliableProxy.start({ host: '127.0.0.1', port: postgres.port })
    const url = await postgres.createDatabase()
    await using database = await openPostgres(proxy.through(url))
    await using here = await open(url, { database })
    await using there = await open(url)
    proxy.become({ kind: 'drop' })
    here.events.emit('finished', '1')
    await until(() => here.errors.length > 0)
    here.events.emit('claimable')
    here.events.emit('finished', '2')
    proxy.become({ kind: 'pass' })
    await until(() => there.heard.length >= 3)
    expect(there.heard).toEqual(['claimable', 'finished 1', 'finished 2'])
  })

  test('sends what it was told last before it ends', async () => {
    const url = await postgres.createDatabase()
    await using there = await open(url)
    {
      await using here = await open(url)
      here.events.emit('claimable')
      await until(() => there.heard.length === 1)
      here.events.emit('finished', '1')
    }
    await until(() => there.heard.length === 2)
    expect(there.heard).toEqual(['claimable', 'finished 1'])
  })

  test('listens again when its connection was ended, and catches up', async () => {
    const url = await postgres.createDatabase()
    const polls: MissedEvents[] = [{ cancelRequested: ['1'], finished: ['2'] }]
    await using here = await open(url, { poll: async () => polls.shift() ?? { cancelRequested: [], finished: [] } })
    await using there = await open(url)
    await sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'sotto-events' and pid <> pg_backend_pid() and datname = current_database()
    `.execute(there.database)
    await until(() => here.deliveries.length >= 3 && there.deliveries.length >= 3 && here.heard.length >= 3)
    expect(here.deliveries).toEqual(['notified', expect.stringMatching(/^polled: .* ended/), 'notified'])
    expect(here.heard).toEqual(['claimable', 'cancelRequested 1', 'finished 2'])
    there.events.emit('finished', '3')
    await until(() => here.heard.includes('finished 3'))
  })

  test('notices that its connection has died in silence', async () => {
    await using proxy = await UnreliableProxy.start({ host: '127.0.0.1', port: postgres.port })
    const url = await postgres.createDatabase()
    const timing = { aliveMs: 50, pollMs: 50 }
    await using here = await open(url, { url: proxy.through(url), timing })
    proxy.become({ kind: 'stall' })
    await until(() => here.deliveries.length === 2)
    await until(() => here.heard.includes('claimable'))
    proxy.become({ kind: 'pass' })
    await until(() => here.deliveries.length === 3)
    expect(here.deliveries).toEqual(['notified', expect.stringMatching(/^polled/), 'notified'])
  })

  test('polls where notices do not arrive, tells others all the same, and hears when they arrive', async () => {
    await using proxy = await DeafProxy.start(postgres.port)
    const url = await postgres.createDatabase()
    const missed = [{ cancelRequested: ['1'], finished: ['2'] }]
    const poll = async () => missed.shift() ?? { cancelRequested: [], finished: [] }
    const timing = { probeMs: 100, pollMs: 20, deafMs: 200 }
    await using here = await open(url, { url: proxy.through(url), poll, timing })
    await using there = await open(url)
    expect(here.events.delivery).toBe('polled')
    expect(here.deliveries).toEqual([expect.stringContaining('does not deliver notifications')])
    here.events.emit('finished', '3')
    await until(() => there.heard.includes('finished 3'))
    await until(() => here.heard.filter((event) => event === 'claimable').length >= 3)
    expect(here.heard).toEqual(expect.arrayContaining(['cancelRequested 1', 'finished 2']))
    proxy.deaf = false
    await until(() => here.events.delivery === 'notified')
    there.events.emit('finished', '4')
    await until(() => here.heard.includes('finished 4'))
    expect(here.errors).toEqual([])
  })

  test('reports a poll that fails, and polls again', async () => {
    await using proxy = await DeafProxy.start(postgres.port)
    const url = await postgres.createDatabase()
    let polls = 0
    const poll = async (): Promise<MissedEvents> => {
      polls += 1
      if (polls === 1) throw new Error('not now')
      return { cancelRequested: [], finished: ['1'] }
    }
    await using here = await open(url, { url: proxy.through(url), poll, timing: { probeMs: 50, pollMs: 20 } })
    await until(() => here.heard.includes('finished 1'))
    expect(here.errors).toEqual([new Error('not now')])
  })

  test('stops its start when it is told to', async () => {
    await using proxy = await UnreliableProxy.start({ host: '127.0.0.1', port: postgres.port })
    const url = await postgres.createDatabase()
    proxy.become({ kind: 'stall' })
    const stop = new AbortController()
    const opened = open(url, { url: proxy.through(url), signal: stop.signal })
    await until(() => proxy.connections === 1)
    stop.abort(new Error('enough'))
    await expect(opened).rejects.toThrow('enough')
  })
})

describe.skipIf(!hasPostgres)(`PostgresEvents and a server that goes and comes${NEEDS_POSTGRES}`, () => {
  test('listens again', async () => {
    await using postgres = await startPostgres({ fsync: false })
    const url = await postgres.createDatabase()
    await using here = await open(url)
    await using there = await open(url)
    await postgres.kill()
    await until(() => here.events.delivery === 'polled' && there.events.delivery === 'polled')
    await postgres.restart()
    await until(() => here.events.delivery === 'notified' && there.events.delivery === 'notified')
    here.events.emit('finished', '1')
    await until(() => there.heard.includes('finished 1'))
    expect(there.heard).toContain('claimable')
  })

  test('can start without it', async () => {
    await using postgres = await startPostgres({ fsync: false })
    const url = await postgres.createDatabase()
    await using database = await openPostgres(url)
    await postgres.kill()
    const poll = async () => ({ cancelRequested: [], finished: [] })
    await using events = await PostgresEvents.start({ url, database, poll })
    expect(events.delivery).toBe('polled')
    const claimable = new Promise<void>((resolve) => void events.on('claimable', resolve))
    await postgres.restart()
    await claimable
    await until(() => events.delivery === 'notified')
  })
})
