import { sql } from 'kysely'
import { describe, expect, test } from 'vitest'
import { ENVIRONMENT_ID } from '../api/authentication/api-key.ts'
import { ApiKeys } from '../api/authentication/api-keys.ts'
import type { JobWebhook } from '../jobs/job.ts'
import type { JobStore, Lease } from '../jobs/job-store.ts'
import { newJob, submitted } from '../jobs/new-job.fixture.ts'
import { ERROR, claimed, running } from '../jobs/running-job.fixture.ts'
import type { Database } from '../jobs/sql/dialect.ts'
import { SqlJobStore } from '../jobs/sql/sql-store.ts'
import type { Attempt } from './attempt.ts'
import { DefaultWebhooks } from './defaults.ts'
import { DeliveryLog } from './delivery-log.ts'
import type { TakenDelivery } from './delivery.ts'
import { jobWebhook } from './endpoint.ts'
import { KeySecrets } from './key-secrets.ts'
import { Outbox } from './outbox.ts'

export interface OutboxFixture extends AsyncDisposable {
  readonly store: JobStore
  readonly database: Database
}

const TERMINAL = ['job.success', 'job.failed', 'job.cancelled'] as const
const BASE = 'http://sotto.example.com'
const TAKEN = { durationMs: 12, status: 204, code: null, detail: null, answer: '' } as const satisfies Attempt
const REFUSED = { durationMs: 12, status: 500, code: 'status', detail: null, answer: 'no' } as const satisfies Attempt

function toHost(host: string, keyId = 'key-1', events: JobWebhook['events'] = TERMINAL): JobWebhook {
  const endpoint = { url: `http://${host}/hook`, include: [], secret: null }
  return { ...jobWebhook(keyId, { base: BASE, endpoint }, []), events }
}

/** Takes all that is due, of all queues. */
async function takeAll(outbox: Outbox): Promise<readonly TakenDelivery[]> {
  const wanted = (await outbox.due()).map(({ queue }) => ({ queue, limit: 100 }))
  return await outbox.take(wanted)
}

async function takeOne(outbox: Outbox): Promise<TakenDelivery> {
  const [one] = await takeAll(outbox)
  if (one === undefined) throw new Error('nothing is due')
  return one
}

async function makeDue({ queries }: Database): Promise<void> {
  await queries.updateTable('webhook_deliveries').set({ due_at: 0 }).where('due_at', 'is not', null).execute()
}

const ends: readonly (readonly [string, (store: JobStore, lease: Lease) => Promise<unknown>])[] = [
  ['success', (store, lease) => store.succeed(lease, 'results/1.json')],
  ['failed', (store, lease) => store.fail(lease, ERROR)],
  [
    'cancelled',
    async (store, lease) => {
      await store.cancel(lease.jobId)
      await store.settleCancelled(lease)
    },
  ],
]

/** The contract of the outbox and what is kept beside it, to be run against each database. */
export function describeOutbox(name: string, open: () => Promise<OutboxFixture>): void {
  describe(`${name}: what is written`, () => {
    test.each(ends)('a job that ends as %s is told with all that is known of it', async (status, end) => {
      await using fixture = await open()
      const { store, database } = fixture
      const { lease } = await running(store, { webhook: toHost('a.example.com') })
      await end(store, lease)
      const [delivery, ...others] = await takeAll(new Outbox(database))
      expect(others).toEqual([])
      expect(delivery).toMatchObject({
        ...{
          id: expect.stringMatching(/^evt_[\da-f]{32}$/),
          keyId: 'key-1',
          jobId: lease.jobId,
          type: `job.${status}`,
        },
        snapshot: { model: 'sotto/whisper-demo', attempt: 1, completedAt: expect.any(Number) },
      })
      expect(delivery?.snapshot?.code).toBe(status === 'failed' ? ERROR.code : null)
      const events = await store.events(lease.jobId, 0, 99)
      expect(delivery?.sequence).toBe(events.at(-1)?.sequence)
    })

    test('a delivery knows the trace of its job, also when that is gone', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
      const { lease } = await running(store, { webhook: toHost('a.example.com'), traceparent })
      await store.fail(lease, ERROR)
      await store.remove(lease.jobId)
      expect((await takeOne(new Outbox(database))).snapshot).toMatchObject({ traceparent })
    })

    test('each step of a job is told to whoever wants it, the first ones first', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const all = ['job.accepted', 'job.processing', ...TERMINAL]
      const { lease } = await running(store, { webhook: toHost('a.example.com', 'key-1', all) })
      await store.release(lease)
      const again = await claimed(store)
      await store.succeed(again.lease, 'results/1.json')
      const taken = await takeAll(new Outbox(database))
      expect(taken.map(({ type }) => type)).toEqual(['job.accepted', 'job.processing', 'job.processing', 'job.success'])
      expect(taken.map(({ snapshot }) => snapshot?.attempt)).toEqual([0, 1, 2, 2])
      const transitions = (await store.events(lease.jobId, 0, 99)).filter(({ kind }) => kind !== 'released')
      expect(taken.map(({ sequence }) => sequence)).toEqual(transitions.map(({ sequence }) => sequence))
    })

    test('nobody is told of a job without a webhook, and none of what he does not want', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const silent = await running(store)
      await store.succeed(silent.lease, 'results/1.json')
      const { lease } = await running(store, { webhook: toHost('a.example.com', 'key-1', ['job.failed']) })
      await store.succeed(lease, 'results/1.json')
      expect(await new Outbox(database).due()).toEqual([])
    })

    test('a transition that is rolled back is not told', async () => {
      await using fixture = await open()
      const { database } = fixture
      const webhook = toHost('a.example.com', 'key-1', ['job.accepted'])
      const submit = database.queries.transaction().execute(async (transaction) => {
        await new SqlJobStore({ ...database, queries: transaction }).submit(newJob({ webhook }))
        throw new Error('rolled back')
      })
      await expect(submit).rejects.toThrow('rolled back')
      expect(await database.queries.selectFrom('webhook_deliveries').selectAll().execute()).toEqual([])
    })
  })

  describe(`${name}: the outbox`, () => {
    const accepted = (store: JobStore, host: string, keyId = 'key-1') =>
      submitted(store, { keyId, webhook: toHost(host, keyId, ['job.accepted']) })

    test('gives each delivery to one, however many ask at the same time', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      for (let n = 0; n < 20; n++) await accepted(store, 'a.example.com')
      const [due] = await new Outbox(database).due()
      const outboxes = Array.from({ length: 8 }, () => new Outbox(database))
      const taken = (
        await Promise.all(outboxes.map((outbox) => outbox.take([{ queue: due?.queue ?? '', limit: 5 }])))
      ).flat()
      expect(new Set(taken.map(({ id }) => id)).size).toBe(taken.length)
      const rest = await takeAll(new Outbox(database))
      expect(taken.length + rest.length).toBe(20)
    })

    test('has one whose lease ran out taken over, with the same id, and the late one settles nothing', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      await accepted(store, 'a.example.com')
      const outbox = new Outbox(database)
      const late = await takeOne(outbox)
      expect(await outbox.due()).toEqual([])
      await makeDue(database)
      const next = await takeOne(outbox)
      expect(next.id).toBe(late.id)
      expect(await outbox.settle(late, { outcome: 'delivered' }, TAKEN)).toBe(false)
      await outbox.untake(late)
      expect(await outbox.due()).toEqual([])
      expect(await outbox.settle(next, { outcome: 'delivered' }, TAKEN)).toBe(true)
      await makeDue(database)
      expect(await outbox.due()).toEqual([])
    })

    test('has what was being told when its only process was killed told by the next one', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      await accepted(store, 'a.example.com')
      const outbox = new Outbox(database)
      const { id } = await takeOne(outbox)
      await outbox.recover()
      expect(await takeOne(outbox)).toMatchObject({ id, tries: 0 })
    })

    test('keeps a failed one until its pause is over, with each attempt', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const { id: jobId } = await accepted(store, 'a.example.com')
      const outbox = new Outbox(database)
      for (let n = 0; n < 3; n++) {
        const delivery = await takeOne(outbox)
        expect(delivery.tries).toBe(n)
        await outbox.settle(delivery, { outcome: null, pauseMs: 60_000 }, REFUSED)
        expect(await outbox.due()).toEqual([])
        await makeDue(database)
      }
      const [logged] = await new DeliveryLog(database).ofJob(jobId)
      expect(logged).toMatchObject({ status: 'pending', url: 'http://a.example.com/hook' })
      const { durationMs, ...facts } = REFUSED
      const each = { ...facts, durationMs, at: expect.any(Date) }
      expect(logged?.attempts).toEqual([each, each, each])
    })

    test('is not kept by the time of a clock that was set back since', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      await accepted(store, 'a.example.com')
      const later = sql<number>`${database.dialect.now} + 864000`
      await database.queries.updateTable('webhook_deliveries').set({ due_at: later }).execute()
      expect(await takeAll(new Outbox(database))).toHaveLength(1)
    })

    test('shows a key’s receiver behind hundreds of another one’s that are overdue', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      await Promise.all(Array.from({ length: 300 }, (_, n) => accepted(store, `h${n}.example.com`, 'key-flood')))
      await makeDue(database)
      await accepted(store, 'a.example.com', 'key-2')
      const due = await new Outbox(database).due()
      expect(due.at(-1)).toEqual({ queue: 'key-2 a.example.com', keyId: 'key-2' })
      expect(due.length).toBeLessThan(20)
    })

    test('is told that a receiver wants no more of a job, and of no other job', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const all = ['job.accepted', 'job.processing', ...TERMINAL]
      const { lease } = await running(store, { webhook: toHost('a.example.com', 'key-1', all) })
      const other = await accepted(store, 'a.example.com')
      const outbox = new Outbox(database)
      await outbox.silence(lease.jobId)
      await store.succeed(lease, 'results/1.json')
      expect((await takeAll(outbox)).map(({ jobId }) => jobId)).toEqual([other.id])
      const log = await new DeliveryLog(database).ofJob(lease.jobId)
      expect(log.map(({ status, droppedBecause }) => [status, droppedBecause])).toEqual([
        ['dropped', 'disabled'],
        ['dropped', 'disabled'],
      ])
    })

    test('goes with the job as far as it was told; what was not is still told, and then goes too', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const webhook = toHost('a.example.com', 'key-1', ['job.accepted', 'job.success'])
      const { lease } = await running(store, { webhook })
      const outbox = new Outbox(database)
      await outbox.settle(await takeOne(outbox), { outcome: 'delivered' }, TAKEN)
      await store.succeed(lease, 'results/1.json')
      await store.remove(lease.jobId)
      const log = new DeliveryLog(database)
      expect((await log.ofJob(lease.jobId)).map(({ type }) => type)).toEqual(['job.success'])
      const left = await takeOne(outbox)
      expect(left).toMatchObject({ sequence: null, snapshot: { model: 'sotto/whisper-demo' } })
      await outbox.settle(left, { outcome: 'delivered' }, TAKEN)
      expect(await log.ofJob(lease.jobId)).toEqual([])
      expect(await database.queries.selectFrom('webhook_attempts').selectAll().execute()).toEqual([])
    })

    test('forgets what ended in the moment in which its job was removed', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const { id } = await accepted(store, 'a.example.com')
      const { queries } = database
      const kept = await accepted(store, 'a.example.com')
      await queries.updateTable('webhook_deliveries').set({ due_at: null, outcome: 'failed', created_at: 0 }).execute()
      await queries.updateTable('webhook_deliveries').set({ job_id: 'gone' }).where('job_id', '=', id).execute()
      await new Outbox(database).forgetStray()
      const left = await queries.selectFrom('webhook_deliveries').select('job_id').execute()
      expect(left).toEqual([{ job_id: kept.id }])
    })
  })

  describe(`${name}: the log`, () => {
    test('has one told again that has ended, with the same id and all its attempts', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const { id: jobId } = await submitted(store, { webhook: toHost('a.example.com', 'key-1', ['job.accepted']) })
      const outbox = new Outbox(database)
      const log = new DeliveryLog(database)
      const first = await takeOne(outbox)
      expect(await log.replay(jobId, first.id)).toBe(true)
      expect(await outbox.due()).toEqual([])
      await outbox.settle(first, { outcome: 'failed' }, REFUSED)
      expect(await log.replay('another', first.id)).toBe(false)
      expect(await log.replay(jobId, 'another')).toBe(false)
      expect(await log.replay(jobId, '\0\u200b')).toBe(false)
      expect(await outbox.due()).toEqual([])
      expect(await log.replay(jobId, first.id)).toBe(true)
      const again = await takeOne(outbox)
      expect(again.id).toBe(first.id)
      await outbox.settle(again, { outcome: 'delivered' }, TAKEN)
      const [logged] = await log.ofJob(jobId)
      expect(logged).toMatchObject({ status: 'delivered', nextAttemptAt: null })
      expect(logged?.attempts.map(({ status }) => status)).toEqual([500, 204])
    })

    test('keeps the last attempts of one that is told again and again', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const { id: jobId } = await submitted(store, { webhook: toHost('a.example.com', 'key-1', ['job.accepted']) })
      const outbox = new Outbox(database)
      for (let n = 0; n < 55; n++) {
        await outbox.settle(await takeOne(outbox), { outcome: null, pauseMs: 0 }, { ...REFUSED, durationMs: n })
        await makeDue(database)
      }
      const [logged] = await new DeliveryLog(database).ofJob(jobId)
      expect(logged?.attempts.map(({ durationMs }) => durationMs)).toEqual(Array.from({ length: 50 }, (_, n) => n + 5))
    })
  })

  describe(`${name}: secrets`, () => {
    test('a key has one, whoever asks first, and no other key has it', async () => {
      await using fixture = await open()
      const { database } = fixture
      const asked = Array.from({ length: 8 }, () => new KeySecrets(database).current('key-1'))
      const secrets = new Set((await Promise.all(asked)).map(({ secret }) => secret))
      expect(secrets.size).toBe(1)
      expect(secrets).not.toContain((await new KeySecrets(database).current('key-2')).secret)
    })

    test('the one before signs as well for a time, and no longer', async () => {
      await using fixture = await open()
      const { database } = fixture
      const secrets = new KeySecrets(database)
      const before = await secrets.current('key-1')
      expect(before.previousUntil).toBeNull()
      const after = await secrets.rotate('key-1', 60_000)
      expect(after.previousUntil?.getTime()).toBeGreaterThan(Date.now() + 50_000)
      expect(await secrets.signing('key-1')).toEqual([after.secret, before.secret])
      await database.queries
        .updateTable('webhook_secrets')
        .set({ valid_until: 0 })
        .where('valid_until', 'is not', null)
        .execute()
      expect(await new KeySecrets(database).signing('key-1')).toEqual([after.secret])
      const last = await secrets.rotate('key-1', 0)
      expect(await secrets.signing('key-1')).toEqual([last.secret])
      expect(await secrets.current('key-1')).toEqual({ secret: last.secret, previousUntil: null })
    })
  })

  test(`${name}: secrets and defaults go with their key, but for the environment’s, which stays the same one`, async () => {
    await using fixture = await open()
    const { database } = fixture
    const apiKeys = new ApiKeys(database)
    const { id } = await apiKeys.create('one')
    await apiKeys.setEnvironmentKey('a-secret-of-the-environment')
    const webhook = { url: 'http://a.example.com/', include: [], secret: null }
    for (const keyId of [id, ENVIRONMENT_ID]) {
      await new KeySecrets(database).current(keyId)
      await new DefaultWebhooks(database).set(keyId, webhook, TERMINAL)
    }
    await apiKeys.revoke(id)
    await apiKeys.setEnvironmentKey('another-secret-of-the-environment')
    for (const table of ['webhook_secrets', 'webhook_defaults'] as const) {
      const left = await database.queries.selectFrom(table).select('key_id').execute()
      expect(left).toEqual([{ key_id: ENVIRONMENT_ID }])
    }
  })

  describe(`${name}: defaults`, () => {
    const endpoint = { url: 'http://a.example.com/', include: [], secret: null }

    test('are known as they are set, changed and removed', async () => {
      await using fixture = await open()
      const { database } = fixture
      const defaults = new DefaultWebhooks(database)
      expect(await defaults.known('key-1')).toBeUndefined()
      await defaults.set('key-1', endpoint, TERMINAL)
      expect(await defaults.known('key-1')).toMatchObject({ endpoint, events: TERMINAL, disabledAt: null })
      await defaults.set('key-1', { ...endpoint, include: ['result'] }, ['job.failed'])
      expect(await defaults.known('key-1')).toMatchObject({ endpoint: { include: ['result'] }, events: ['job.failed'] })
      expect(await defaults.known('key-2')).toBeUndefined()
      expect([await defaults.remove('key-1'), await defaults.remove('key-1')]).toEqual([true, false])
      expect(await defaults.known('key-1')).toBeUndefined()
    })

    test('that want no more are disabled until they are set anew, unless another one was set meanwhile', async () => {
      await using fixture = await open()
      const { database } = fixture
      const defaults = new DefaultWebhooks(database)
      await defaults.set('key-1', endpoint, TERMINAL)
      await defaults.disable('key-1', { ...endpoint, url: 'http://former.example.com/' })
      expect((await defaults.find('key-1'))?.disabledAt).toBeNull()
      await defaults.disable('key-1', endpoint)
      expect((await defaults.known('key-1'))?.disabledAt).toBeInstanceOf(Date)
      await defaults.set('key-1', endpoint, TERMINAL)
      expect((await defaults.known('key-1'))?.disabledAt).toBeNull()
    })
  })
}
