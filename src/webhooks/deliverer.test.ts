import { mkdtempDisposable } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import OpenAI from 'openai'
import pino from 'pino'
import { Webhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import { describe, expect, test } from 'vitest'
import { NEEDS_POSTGRES, hasPostgres, startPostgres } from '../../test/support/postgres.ts'
import { Receiver, signatureHeaders } from '../../test/support/receiver.ts'
import type { Answer } from '../../test/support/receiver.ts'
import type { WebhookEvent } from '../contract/webhook-event.ts'
import type { JobStore, NewJob } from '../jobs/job-store.ts'
import { submitted } from '../jobs/new-job.fixture.ts'
import { claimed } from '../jobs/running-job.fixture.ts'
import { openPostgresDatabase } from '../jobs/postgres/database.ts'
import type { Database } from '../jobs/sql/dialect.ts'
import { SqlJobStore } from '../jobs/sql/sql-store.ts'
import { openSqlite } from '../jobs/sqlite/database.ts'
import { OutboundClient } from '../outbound/client.ts'
import { OutboundGuard } from '../outbound/guard.ts'
import { Deliverer } from './deliverer.ts'
import type { LoggedDelivery } from './delivery-log.ts'
import { Outbox } from './outbox.ts'
import { newSecret } from './secret.ts'
import { Webhooks } from './webhooks.ts'
import type { AskedWebhook } from './webhooks.ts'

const KEY = 'key-1'
const SIGNAL = new AbortController().signal
const BASE = 'https://sotto.example.com'
const TRANSCRIPT = '{"text":" Hello.","segments":[]}'

interface Fixture extends AsyncDisposable {
  readonly store: JobStore
  readonly database: Database
  readonly webhooks: Webhooks
  readonly deliverer: Deliverer
  readonly log: readonly string[]
  /** Submits a job of which this is told, as soon as it is accepted unless it is said otherwise. Says its id. */
  readonly submit: (asked: AskedWebhook | undefined, keyId?: string, given?: Partial<NewJob>) => Promise<string>
  /** Its only delivery, once it is as asked. */
  readonly delivery: (jobId: string, isReached: (delivery: LoggedDelivery) => boolean) => Promise<LoggedDelivery>
  /** Ends all pauses. */
  readonly hurry: () => Promise<void>
}

const AT_ONCE: readonly WebhookEvent[] = ['job.accepted']
const isOver = ({ status }: LoggedDelivery): boolean => status !== 'pending'
const wasTried =
  (times: number) =>
  ({ attempts }: LoggedDelivery): boolean =>
    attempts.length >= times

async function open(
  given: {
    readonly database?: Database
    readonly allow?: readonly string[]
    readonly timeoutMs?: number
    readonly revoked?: ReadonlySet<string>
    readonly result?: () => Promise<string | null>
  } = {},
): Promise<Fixture> {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'sotto-deliverer-')))
  const database = stack.use(given.database ?? (await openSqlite(folder.path)))
  const store = new SqlJobStore(database)
  const guard = new OutboundGuard({ allow: given.allow ?? ['127.0.0.0/8'] })
  const client = stack.use(new OutboundClient({ guard, connectTimeoutMs: given.timeoutMs ?? 10_000 }))
  const webhooks = new Webhooks({ database, guard, client, ring: () => deliverer.ring() })
  const log: string[] = []
  const deliverer = stack.use(
    new Deliverer({
      ...{ jobs: store, news: store, client, outbox: new Outbox(database) },
      ...{ defaults: webhooks.defaults, secrets: webhooks.secrets },
      logger: pino({ level: 'debug' }, { write: (line: string) => void log.push(line) }),
      links: ({ id, keyId, base }) =>
        Promise.resolve(given.revoked?.has(keyId) === true ? null : { GET: `${base}/v1/async/requests/${id}` }),
      result: given.result ?? (() => Promise.resolve(TRANSCRIPT)),
      ...(given.timeoutMs === undefined ? {} : { timeoutMs: given.timeoutMs }),
      graceMs: 0,
    }),
  )
  const opened = stack.move()
  return {
    ...{ store, database, webhooks, deliverer, log },
    submit: async (asked, keyId = KEY, more = {}) => {
      const webhook =
        asked === undefined
          ? await webhooks.byDefault(keyId, BASE)
          : await webhooks.named(keyId, { events: AT_ONCE, ...asked }, BASE, SIGNAL)
      return (await submitted(store, { keyId, webhook, ...more })).id
    },
    delivery: async (jobId, isReached) => {
      const { promise, resolve } = Promise.withResolvers<LoggedDelivery>()
      const look = async (): Promise<boolean> => {
        const [one] = await webhooks.log.ofJob(jobId)
        if (one === undefined || !isReached(one)) return false
        resolve(one)
        return true
      }
      await expect.poll(look, { interval: 10 }).toBe(true)
      return await promise
    },
    hurry: async () => {
      const due = { due_at: 0 }
      await database.queries.updateTable('webhook_deliveries').set(due).where('due_at', 'is not', null).execute()
      deliverer.ring()
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

const answering =
  (status: number, headers: Readonly<Record<string, string>> = {}, body = ''): Answer =>
  (response) =>
    void response.writeHead(status, headers).end(body)

describe('a webhook', () => {
  test('is taken by the verifiers that receivers have, by the key’s secret or its own, and by both while one follows another', async () => {
    await using receiver = await Receiver.start()
    await using fixture = await open()
    const { webhooks, submit, delivery } = fixture
    const own = newSecret()
    const before = (await webhooks.secrets.current(KEY)).secret
    const after = (await webhooks.secrets.rotate(KEY, 60_000)).secret
    await delivery(await submit({ url: receiver.url('/key') }), isOver)
    await delivery(await submit({ url: receiver.url('/own'), secret: own }), isOver)
    const openai = new OpenAI({ apiKey: 'none', webhookSecret: 'none' })
    for (const [path, secrets] of [['/key', [before, after]] as const, ['/own', [own]] as const]) {
      const [got] = receiver.at(path)
      if (got === undefined) throw new Error(`nothing came to ${path}`)
      const headers = signatureHeaders(got)
      for (const secret of secrets) {
        expect(new Webhook(secret).verify(got.body, headers)).toEqual(got.message)
        expect(() => new SvixWebhook(secret).verify(got.body, headers)).not.toThrow()
        expect(await openai.webhooks.unwrap(got.body, headers, secret)).toEqual(got.message)
      }
      expect(() => new Webhook(newSecret()).verify(got.body, headers)).toThrow('No matching signature')
    }
  })

  test('says what happened, when, to which job, and where to read on', async () => {
    await using receiver = await Receiver.start()
    await using fixture = await open()
    const { store, submit } = fixture
    const events = ['job.accepted', 'job.processing', 'job.failed'] as const
    const labels = { name: 'a call', metadata: { customer: '7' } }
    const id = await submit({ url: receiver.url(), events }, KEY, labels)
    const { lease } = await claimed(store)
    await store.fail(lease, { code: 'audio.not_media', message: 'It is a text.' })
    await expect.poll(() => receiver.received.length).toBe(3)
    const history = await store.events(id, 0, 9)
    const messages = receiver.received.map(({ message }) => message)
    messages.sort((one, other) => one.data.sequence - other.data.sequence)
    expect(messages.map(({ type, data }) => [type, data.status, data.sequence])).toEqual([
      ['job.accepted', 'accepted', history[0]?.sequence],
      ['job.processing', 'processing', history[1]?.sequence],
      ['job.failed', 'failed', history[2]?.sequence],
    ])
    expect(messages[2]).toEqual({
      type: 'job.failed',
      timestamp: history[2]?.at,
      data: {
        ...{ id, status: 'failed', sequence: history[2]?.sequence, model: 'sotto/whisper-demo', audioSeconds: 90 },
        ...{ name: 'a call', metadata: { customer: '7' } },
        ...{ attempt: 1, acceptedAt: expect.any(String), startedAt: expect.any(String) },
        completedAt: expect.any(String),
        error: { code: 'audio.not_media', message: 'It is a text.' },
        urls: { GET: `${BASE}/v1/async/requests/${id}` },
      },
    })
    const [got] = receiver.received
    expect(got?.headers).toMatchObject({
      'content-type': 'application/json',
      'user-agent': expect.stringContaining('Sotto/'),
    })
  })

  test('has the transcript with it when that was asked for, unless it is too large', async () => {
    await using receiver = await Receiver.start()
    const results = [TRANSCRIPT, null]
    await using fixture = await open({ result: () => Promise.resolve(results.shift() ?? null) })
    const { store, submit } = fixture
    for (const n of [1, 2]) {
      await submit({ url: receiver.url(), include: ['result'], events: ['job.success', 'job.processing'] })
      await store.succeed((await claimed(store)).lease, 'results/1.json')
      await expect.poll(() => receiver.received.length).toBe(2 * n)
    }
    const told = receiver.received.map(({ message: { type, data } }) => [type, data.result])
    expect(told).toContainEqual(['job.success', JSON.parse(TRANSCRIPT)])
    expect(told).toContainEqual(['job.success', null])
    expect(told).toContainEqual(['job.processing', undefined])
  })
})

describe('a receiver', () => {
  test('that fails is told again, with the same id and a new time, and the log has each attempt', async () => {
    const answers = {
      '/': (response, tries) => answering(tries < 3 ? 500 : 200, {}, `no ${tries}`)(response, tries),
    } as const satisfies Record<string, Answer>
    await using receiver = await Receiver.start(answers)
    await using fixture = await open()
    const id = await fixture.submit({ url: receiver.url() })
    for (const times of [1, 2]) {
      const { nextAttemptAt } = await fixture.delivery(id, wasTried(times))
      expect(nextAttemptAt?.getTime()).toBeGreaterThan(Date.now())
      await fixture.hurry()
    }
    const { status, attempts, nextAttemptAt } = await fixture.delivery(id, isOver)
    expect([status, nextAttemptAt]).toEqual(['delivered', null])
    expect(attempts.map((attempt) => [attempt.status, attempt.code, attempt.answer])).toEqual([
      [500, 'status', 'no 1'],
      [500, 'status', 'no 2'],
      [200, null, 'no 3'],
    ])
    const ids = receiver.received.map(({ headers }) => headers['webhook-id'])
    expect(new Set(ids).size).toBe(1)
    expect(new Set(receiver.received.map(({ body }) => JSON.parse(body).timestamp)).size).toBe(1)
  })

  test('that fails eleven times is told no more, and the log says so without its path', async () => {
    await using receiver = await Receiver.start({ '/secret-path': answering(500) })
    await using fixture = await open()
    const id = await fixture.submit({ url: receiver.url('/secret-path') })
    for (let times = 1; times < 11; times++) {
      await fixture.delivery(id, wasTried(times))
      await fixture.hurry()
    }
    expect(await fixture.delivery(id, isOver)).toMatchObject({ status: 'failed', nextAttemptAt: null })
    expect(receiver.received).toHaveLength(11)
    const lines = fixture.log.join('')
    expect(lines).toContain('is not tried again')
    expect(lines).not.toContain('secret-path')
    expect(lines).not.toContain('whsec_')
  })

  test('that redirects is not followed, and the log has the place', async () => {
    await using receiver = await Receiver.start({ '/': answering(301, { location: 'https://example.com/new' }) })
    await using fixture = await open()
    const { attempts } = await fixture.delivery(await fixture.submit({ url: receiver.url() }), wasTried(1))
    expect(attempts[0]).toMatchObject({ status: 301, code: 'redirected', detail: 'https://example.com/new' })
  })

  test('that is gone is told nothing more of its job; as a default, of no job until it is set anew', async () => {
    await using receiver = await Receiver.start({ '/own': answering(410), '/default': answering(410) })
    await using fixture = await open()
    const { webhooks, submit, delivery, store } = fixture
    const id = await submit({ url: receiver.url('/own'), events: ['job.accepted', 'job.success'] })
    expect(await delivery(id, isOver)).toMatchObject({ status: 'failed', attempts: [{ status: 410, code: 'gone' }] })
    await store.succeed((await claimed(store)).lease, 'results/1.json')
    await webhooks.setDefault(KEY, { url: receiver.url('/default'), events: AT_ONCE }, SIGNAL)
    expect(await delivery(await submit(undefined), isOver)).toMatchObject({ status: 'failed', url: null })
    expect((await webhooks.defaults.find(KEY))?.disabledAt).toBeInstanceOf(Date)
    const unheard = await submit(undefined)
    expect(await webhooks.log.ofJob(unheard)).toEqual([])
    await webhooks.setDefault(KEY, { url: receiver.url('/new'), events: AT_ONCE }, SIGNAL)
    await delivery(await submit(undefined), ({ status }) => status === 'delivered')
    expect(receiver.received.map(({ path }) => path)).toEqual(['/own', '/default', '/new'])
  })

  test('that asks to be left alone is, for as long as it says', async () => {
    await using receiver = await Receiver.start({ '/': answering(429, { 'retry-after': '3600' }) })
    await using fixture = await open()
    const { nextAttemptAt } = await fixture.delivery(await fixture.submit({ url: receiver.url() }), wasTried(1))
    expect(nextAttemptAt?.getTime()).toBeGreaterThan(Date.now() + 3_000_000)
  })

  test('that says more than anybody reads, or never comes to an end, has said enough by its status', async () => {
    const endless: Answer = (response) => {
      response.writeHead(200)
      const more = (): void => {
        while (!response.destroyed && response.write('\0'.repeat(65_536)));
        if (!response.destroyed) response.once('drain', more)
      }
      more()
    }
    await using receiver = await Receiver.start({ '/': endless })
    await using fixture = await open()
    const { attempts } = await fixture.delivery(await fixture.submit({ url: receiver.url() }), isOver)
    expect(attempts[0]).toMatchObject({ status: 200, code: null, answer: '\uFFFD'.repeat(1024) })
  })

  test('that does not answer in time has failed', async () => {
    await using receiver = await Receiver.start({ '/': () => undefined })
    await using fixture = await open({ timeoutMs: 100 })
    const { attempts } = await fixture.delivery(await fixture.submit({ url: receiver.url() }), wasTried(1))
    expect(attempts[0]).toMatchObject({ status: null, code: 'timeout', answer: null })
  })

  test('that is not there has failed', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo
    await new Promise((resolve) => server.close(resolve))
    await using fixture = await open()
    const { attempts } = await fixture.delivery(await fixture.submit({ url: `http://127.0.0.1:${port}/` }), wasTried(1))
    expect(attempts[0]).toMatchObject({ status: null, code: 'unreachable', detail: 'ECONNREFUSED' })
  })

  test('whose certificate nobody has signed is not told', async () => {
    await using receiver = await Receiver.start({}, 'https')
    await using fixture = await open()
    const { attempts } = await fixture.delivery(await fixture.submit({ url: receiver.url() }), wasTried(1))
    expect(attempts[0]).toMatchObject({ status: null, code: 'untrusted', detail: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
    expect(receiver.received).toEqual([])
  })

  test('whose address may not be reached any more is not asked', async () => {
    await using receiver = await Receiver.start()
    await using fixture = await open({ allow: [] })
    await expect(fixture.submit({ url: receiver.url() })).rejects.toMatchObject({ code: 'outbound.refused' })
    await using before = await open()
    const webhook = await before.webhooks.named(KEY, { url: receiver.url(), events: AT_ONCE }, BASE, SIGNAL)
    const { id } = await submitted(fixture.store, { webhook })
    const { attempts } = await fixture.delivery(id, wasTried(1))
    expect(attempts[0]).toMatchObject({ status: null, code: 'refused', detail: null, answer: null })
    expect(receiver.received).toEqual([])
  })

  test('that hangs holds up nobody else: no other host, and no other key at the same host', async () => {
    await using dead = await Receiver.start({ '/dead': () => undefined })
    await using alive = await Receiver.start()
    await using fixture = await open()
    await Promise.all(Array.from({ length: 40 }, () => fixture.submit({ url: dead.url('/dead') })))
    await expect.poll(() => dead.at('/dead').length).toBe(8)
    await fixture.delivery(await fixture.submit({ url: alive.url() }), isOver)
    await fixture.delivery(await fixture.submit({ url: dead.url('/alive') }, 'key-2'), isOver)
    expect(dead.at('/dead')).toHaveLength(8)
  })

  test('that hangs in many hosts of one key leaves places to other keys', async () => {
    await using stack = new AsyncDisposableStack()
    const alive = stack.use(await Receiver.start())
    const dead = await Promise.all([1, 2, 3].map(() => Receiver.start({ '/': () => undefined })))
    for (const one of dead) stack.use(one)
    const fixture = stack.use(await open())
    await Promise.all(dead.flatMap((one) => Array.from({ length: 8 }, () => fixture.submit({ url: one.url() }))))
    const asked = (): number => dead.reduce((sum, { received }) => sum + received.length, 0)
    await expect.poll(asked).toBe(16)
    await fixture.delivery(await fixture.submit({ url: alive.url() }, 'key-2'), isOver)
    expect(asked()).toBe(16)
  })

  test('that is too busy is asked by one at a time until it is not', async () => {
    let isWell = false
    let running = 0
    let most = 0
    const slowly: Answer = (response) => {
      running += 1
      most = Math.max(most, running)
      setTimeout(() => {
        running -= 1
        response.writeHead(isWell ? 204 : 503).end()
      }, 20)
    }
    await using receiver = await Receiver.start({ '/': slowly })
    await using fixture = await open()
    await fixture.delivery(await fixture.submit({ url: receiver.url() }), wasTried(1))
    most = 0
    const ids = await Promise.all(Array.from({ length: 6 }, () => fixture.submit({ url: receiver.url() })))
    for (const id of ids) await fixture.delivery(id, wasTried(1))
    expect(most).toBe(1)
    isWell = true
    await fixture.hurry()
    for (const id of ids) await fixture.delivery(id, isOver)
    expect(most).toBeGreaterThan(1)
  })
})

describe('a delivery', () => {
  test('goes to the default as it is by then, and nowhere when there is none any more', async () => {
    await using receiver = await Receiver.start({ '/former': answering(500) })
    await using fixture = await open()
    const { webhooks, submit, delivery, hurry } = fixture
    await webhooks.setDefault(KEY, { url: receiver.url('/former'), events: AT_ONCE }, SIGNAL)
    const id = await submit(undefined)
    await delivery(id, wasTried(1))
    await webhooks.setDefault(KEY, { url: receiver.url('/new'), events: ['job.failed'] }, SIGNAL)
    await hurry()
    await delivery(id, ({ status }) => status === 'delivered')
    expect(receiver.at('/new')[0]?.headers['webhook-id']).toBe(receiver.at('/former')[0]?.headers['webhook-id'])
    await webhooks.setDefault(KEY, { url: receiver.url('/former'), events: AT_ONCE }, SIGNAL)
    const other = await submit(undefined)
    await delivery(other, wasTried(1))
    await webhooks.defaults.remove(KEY)
    await hurry()
    expect(await delivery(other, isOver)).toMatchObject({ status: 'dropped', droppedBecause: 'removed' })
  })

  test('is not made for a key that was revoked', async () => {
    await using receiver = await Receiver.start()
    await using fixture = await open({ revoked: new Set([KEY]) })
    const found = await fixture.delivery(await fixture.submit({ url: receiver.url() }), isOver)
    expect(found).toMatchObject({ status: 'dropped', droppedBecause: 'key_revoked', attempts: [] })
    expect(receiver.received).toEqual([])
  })

  test('that is damaged is dropped', async () => {
    await using fixture = await open()
    const webhook = { endpoint: '{"url":', events: AT_ONCE, queue: 'key-1 x' }
    const { id } = await submitted(fixture.store, { webhook })
    expect(await fixture.delivery(id, isOver)).toMatchObject({ status: 'dropped', droppedBecause: 'unreadable' })
  })

  test('that is under way when the server stops is told by the next one, and counts as no attempt', async () => {
    await using receiver = await Receiver.start({ '/': (response, tries) => void (tries > 1 && response.end()) })
    await using fixture = await open()
    const id = await fixture.submit({ url: receiver.url() })
    await expect.poll(() => receiver.received.length).toBe(1)
    await fixture.deliverer[Symbol.asyncDispose]()
    const [given] = await fixture.webhooks.log.ofJob(id)
    expect(given).toMatchObject({ status: 'pending', attempts: [] })
    const [due] = await new Outbox(fixture.database).due()
    expect(due).toBeDefined()
  })
})

test.skipIf(!hasPostgres)(`several servers on one database make each delivery once${NEEDS_POSTGRES}`, async () => {
  await using stack = new AsyncDisposableStack()
  const receiver = stack.use(await Receiver.start())
  const postgres = stack.use(await startPostgres({ fsync: false }))
  const url = await postgres.createDatabase()
  const fixtures = await Promise.all(
    [1, 2, 3].map(async () => await open({ database: await openPostgresDatabase(url) })),
  )
  for (const fixture of fixtures) stack.use(fixture)
  const submits = fixtures.flatMap((fixture) =>
    Array.from({ length: 30 }, (_, n) => fixture.submit({ url: receiver.url(`/${n}`) }, `key-${n % 3}`)),
  )
  const ids = await Promise.all(submits)
  const [fixture] = fixtures
  for (const id of ids) await fixture?.delivery(id, ({ status }) => status === 'delivered')
  expect(receiver.received.map(({ message }) => message.data.id).toSorted()).toEqual(ids.toSorted())
  expect(receiver.received.every(({ message }) => message.data.sequence > 0)).toBe(true)
})
