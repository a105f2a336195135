import { randomUUID } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { Updateable } from 'kysely'
import { describe, expect, test } from 'vitest'
import type { Database } from './database.ts'
import { FINISHED_STATUSES, JOB_STATUSES, isFinished } from './job.ts'
import type { Job, JobStatus } from './job.ts'
import { newJob } from './new-job.fixture.ts'
import type { JobsTable } from './schema.ts'
import type { ClaimedJob, JobStore, Lease, NewJob } from './store.ts'

export interface JobStoreFixture extends AsyncDisposable {
  readonly store: JobStore
  readonly database: Database
  /** Another store on the same database, by a connection of its own, as another process has it. */
  readonly connect: () => Promise<JobStore>
}

const LIMITS = { failures: 2, crashes: 2 }
const ERROR = { code: 'engine.failed', message: 'The engine failed.' }
const EVERY_TIER = { asked: ['cpuflex', 'gpuflex'], served: 'cpuflex', leaseMs: 60_000 } as const

async function claimed(store: JobStore, leaseMs = 60_000): Promise<ClaimedJob> {
  const claim = await store.claim({ ...EVERY_TIER, leaseMs })
  if (claim === undefined) throw new Error('nothing to claim')
  return claim
}

/** Submits a job and runs it. */
async function running(store: JobStore, given: Partial<NewJob> = {}, leaseMs?: number): Promise<ClaimedJob> {
  const job = newJob(given)
  await store.submit(job)
  await store.admit()
  const claim = await claimed(store, leaseMs)
  expect(claim.job.id).toBe(job.id)
  return claim
}

/** Brings a job to a status, with the lease that it has, had or never had. */
async function jobIn(store: JobStore, status: JobStatus): Promise<Lease> {
  if (status === 'accepted') return { jobId: (await store.submit(newJob())).id, token: randomUUID(), attempt: 1 }
  const { lease } = await running(store)
  if (status === 'pending') await store.release(lease)
  if (status === 'success') await store.succeed(lease, 'results/1.json')
  if (status === 'failed') await store.fail(lease, ERROR)
  if (status === 'cancelled') {
    await store.cancel(lease.jobId)
    await store.settleCancelled(lease)
  }
  expect((await store.find(lease.jobId))?.status).toBe(status)
  return lease
}

type Verb = (store: JobStore, lease: Lease) => Promise<unknown>
type Outcomes = Readonly<Record<JobStatus, JobStatus | 'removed'>>

const UNMOVED = Object.fromEntries(JOB_STATUSES.map((status) => [status, status])) as Record<JobStatus, JobStatus>

/** What each verb makes of a job in each status: the table at the top of `job.ts`. */
const LIFE: readonly (readonly [name: string, Verb, Outcomes])[] = [
  ['admit', (store) => store.admit(), { ...UNMOVED, accepted: 'pending' }],
  ['claim', (store) => store.claim(EVERY_TIER), { ...UNMOVED, pending: 'processing' }],
  ['heartbeat', (store, lease) => store.heartbeat(lease, 1), UNMOVED],
  ['release', (store, lease) => store.release(lease), { ...UNMOVED, processing: 'pending' }],
  [
    'retry below the limit',
    (store, lease) => store.retry(lease, 'error', ERROR, LIMITS),
    { ...UNMOVED, processing: 'pending' },
  ],
  [
    'retry at the limit of errors',
    (store, lease) => store.retry(lease, 'error', ERROR, { ...LIMITS, failures: 1 }),
    { ...UNMOVED, processing: 'failed' },
  ],
  [
    'retry at the limit of crashes',
    (store, lease) => store.retry(lease, 'crash', ERROR, { ...LIMITS, crashes: 1 }),
    { ...UNMOVED, processing: 'failed' },
  ],
  ['succeed', (store, lease) => store.succeed(lease, 'results/2.json'), { ...UNMOVED, processing: 'success' }],
  ['fail', (store, lease) => store.fail(lease, ERROR), { ...UNMOVED, processing: 'failed' }],
  ['settleCancelled when nobody asked for it', (store, lease) => store.settleCancelled(lease), UNMOVED],
  [
    'settleCancelled when it was asked for',
    async (store, lease) => {
      await store.cancel(lease.jobId)
      await store.settleCancelled(lease)
    },
    { ...UNMOVED, accepted: 'cancelled', pending: 'cancelled', processing: 'cancelled' },
  ],
  ['cancel', (store, lease) => store.cancel(lease.jobId), { ...UNMOVED, accepted: 'cancelled', pending: 'cancelled' }],
  ['reap while leases run', (store) => store.reap({ crashes: 1 }), UNMOVED],
  [
    'reap below the limit of crashes',
    async (store, lease) => {
      await store.heartbeat(lease, 0)
      await store.reap({ crashes: 2 })
    },
    { ...UNMOVED, processing: 'pending' },
  ],
  [
    'reap at the limit of crashes',
    async (store, lease) => {
      await store.heartbeat(lease, 0)
      await store.reap({ crashes: 1 })
    },
    { ...UNMOVED, processing: 'failed' },
  ],
  ['recover', (store) => store.recover(), { ...UNMOVED, processing: 'pending' }],
  [
    'remove',
    (store, lease) => store.remove(lease.jobId),
    { ...UNMOVED, success: 'removed', failed: 'removed', cancelled: 'removed' },
  ],
]

/** What each verb makes of a running job whose cancellation was asked for. */
const CANCELLATION: readonly (readonly [name: string, Verb, JobStatus])[] = [
  ['settleCancelled', (store, lease) => store.settleCancelled(lease), 'cancelled'],
  ['release', (store, lease) => store.release(lease), 'cancelled'],
  ['retry', (store, lease) => store.retry(lease, 'error', ERROR, { failures: 1, crashes: 1 }), 'cancelled'],
  ['recover', (store) => store.recover(), 'cancelled'],
  [
    'reap',
    async (store, lease) => {
      await store.heartbeat(lease, 0)
      await store.reap({ crashes: 1 })
    },
    'cancelled',
  ],
  ['succeed', (store, lease) => store.succeed(lease, 'results/1.json'), 'success'],
  ['fail', (store, lease) => store.fail(lease, ERROR), 'failed'],
]

/** Everything that happened, in order. */
function recorded(store: JobStore): readonly string[] {
  const events: string[] = []
  store.on('claimable', () => events.push('claimable'))
  store.on('cancelRequested', (id) => events.push(`cancelRequested ${id}`))
  store.on('finished', (id) => events.push(`finished ${id}`))
  return events
}

/** What the columns of a job in this status can be, so that nothing but the change of status is wrong. */
function columnsOf(status: JobStatus): Updateable<JobsTable> {
  return {
    status,
    result_key: status === 'success' ? 'results/1.json' : null,
    error_code: status === 'failed' ? ERROR.code : null,
    error_message: status === 'failed' ? ERROR.message : null,
    lease_token: status === 'processing' ? 'token' : null,
    lease_until: status === 'processing' ? 0 : null,
    completed_at: isFinished(status) ? 0 : null,
  }
}

/** Claims all that can be claimed, and says in which order it came. */
async function order(store: JobStore): Promise<readonly string[]> {
  const ids: string[] = []
  for (let claim; (claim = await store.claim(EVERY_TIER)) !== undefined;) ids.push(claim.job.id)
  return ids
}

/** The contract of `JobStore`, to be run against each of its implementations; `open` makes an empty database. */
export function describeJobStore(name: string, open: () => Promise<JobStoreFixture>): void {
  describe(`${name}: the life of a job`, () => {
    const cases = LIFE.flatMap(([verb, run, outcomes]) =>
      JOB_STATUSES.map((from) => ({ verb, from, to: outcomes[from], run })),
    )
    test.each(cases)('$verb: $from → $to', async ({ from, to, run }) => {
      await using fixture = await open()
      const { store } = fixture
      const lease = await jobIn(store, from)
      await run(store, lease)
      expect((await store.find(lease.jobId))?.status ?? 'removed').toBe(to)
    })

    test.each(CANCELLATION)('%s after a cancellation was asked for', async (_, run, to) => {
      await using fixture = await open()
      const { store } = fixture
      const { lease } = await running(store)
      await store.cancel(lease.jobId)
      await run(store, lease)
      expect((await store.find(lease.jobId))?.status).toBe(to)
    })

    const escapes = FINISHED_STATUSES.flatMap((from) =>
      JOB_STATUSES.filter((to) => to !== from).map((to) => ({ from, to })),
    )
    test.each(escapes)('the database refuses $from → $to', async ({ from, to }) => {
      await using fixture = await open()
      const { store, database } = fixture
      const { jobId } = await jobIn(store, from)
      const before = await store.find(jobId)
      const update = database.updateTable('jobs').set(columnsOf(to)).where('id', '=', jobId)
      await expect(update.execute()).rejects.toMatchObject({ code: 'store.refused', retryable: false })
      expect(await store.find(jobId)).toEqual(before)
    })
  })

  describe(`${name}: what a job knows`, () => {
    test('submit keeps everything, and says so', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { urgent: _, ...given } = newJob({
        serviceTier: 'gpuflex',
        maxAudioSeconds: 60.5,
        input: { a: ['é', null] },
      })
      const before = Date.now()
      const job = await store.submit({ ...given, urgent: false })
      expect(job).toEqual({
        ...given,
        status: 'accepted',
        servedTier: null,
        resultKey: null,
        error: null,
        acceptedAt: expect.any(Date),
        startedAt: null,
        completedAt: null,
        cancelRequestedAt: null,
        attempt: 0,
        failures: 0,
        crashes: 0,
      })
      expect(Math.abs(job.acceptedAt.getTime() - before)).toBeLessThan(10_000)
      expect(await store.find(job.id)).toEqual(job)
    })

    test('the same id cannot be submitted twice', async () => {
      await using fixture = await open()
      const job = newJob()
      await fixture.store.submit(job)
      await expect(fixture.store.submit(job)).rejects.toMatchObject({ code: 'store.refused' })
    })

    test('from submit to success', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { job, lease } = await running(store)
      expect(job).toMatchObject({
        status: 'processing',
        servedTier: 'cpuflex',
        attempt: 1,
        startedAt: expect.any(Date),
      })
      expect(lease).toEqual({ jobId: job.id, token: expect.any(String), attempt: 1 })
      expect(await store.succeed(lease, 'results/x/1.json')).toBe(true)
      const { completedAt, ...rest } = (await store.find(job.id)) as Job
      expect(rest).toMatchObject({
        status: 'success',
        resultKey: 'results/x/1.json',
        error: null,
        startedAt: job.startedAt,
      })
      expect(completedAt?.getTime()).toBeGreaterThanOrEqual(job.startedAt?.getTime() ?? Infinity)
    })

    test('a failure keeps its error', async () => {
      await using fixture = await open()
      const { lease } = await running(fixture.store)
      expect(await fixture.store.fail(lease, ERROR)).toBe(true)
      const job = await fixture.store.find(lease.jobId)
      expect(job).toMatchObject({ error: ERROR, resultKey: null, completedAt: expect.any(Date) })
    })

    test('failures, crashes and attempts are counted apart, and each has its limit', async () => {
      await using fixture = await open()
      const { store } = fixture
      const first = await running(store)
      expect(await store.retry(first.lease, 'error', ERROR, LIMITS)).toBe('pending')
      const second = await claimed(store)
      expect(second.job).toMatchObject({ attempt: 2, failures: 1, crashes: 0, error: null })
      expect(await store.retry(second.lease, 'crash', ERROR, LIMITS)).toBe('pending')
      const third = await claimed(store)
      expect(await store.release(third.lease)).toBe(true)
      expect(await store.recover()).toBe(0)
      const fourth = await claimed(store)
      expect(fourth.job).toMatchObject({ attempt: 4, failures: 1, crashes: 1 })
      expect(await store.retry(fourth.lease, 'error', ERROR, LIMITS)).toBe('failed')
      expect(await store.find(fourth.job.id)).toMatchObject({ status: 'failed', failures: 2, crashes: 1, error: ERROR })
    })

    test('a job that waits again has not started', async () => {
      await using fixture = await open()
      const { lease } = await running(fixture.store)
      await fixture.store.release(lease)
      expect(await fixture.store.find(lease.jobId)).toMatchObject({ status: 'pending', startedAt: null, attempt: 1 })
    })

    test('a crash is counted when the lease runs out, and said when it was the last', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { job } = await running(store, {}, 0)
      expect(await store.reap({ crashes: 2 })).toBe(1)
      expect(await store.find(job.id)).toMatchObject({ status: 'pending', crashes: 1 })
      await claimed(store, 0)
      expect(await store.reap({ crashes: 2 })).toBe(1)
      const failed = await store.find(job.id)
      expect(failed).toMatchObject({ status: 'failed', crashes: 2, error: { code: 'job.crashed' } })
    })

    test('usesPayload', async () => {
      await using fixture = await open()
      const { payloadKey } = await fixture.store.submit(newJob())
      expect(await fixture.store.usesPayload(payloadKey)).toBe(true)
      expect(await fixture.store.usesPayload('uploads/other.mp3')).toBe(false)
    })

    test('what is not there', async () => {
      await using fixture = await open()
      const { store } = fixture
      expect(await store.find('no-such-job')).toBeUndefined()
      expect(await store.cancel('no-such-job')).toBeUndefined()
      expect(await store.remove('no-such-job')).toBe(false)
      expect(await store.claim(EVERY_TIER)).toBeUndefined()
      expect([await store.admit(), await store.reap({ crashes: 1 }), await store.recover()]).toEqual([0, 0, 0])
    })

    test('check', async () => {
      await using fixture = await open()
      await fixture.store.check()
      await fixture.store.check()
      await expect(fixture.store.check(AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late')
    })
  })

  describe(`${name}: claims`, () => {
    test('go by the order of acceptance, whatever the tier', async () => {
      await using fixture = await open()
      const { store } = fixture
      const ids: string[] = []
      for (const serviceTier of ['cpuflex', 'gpuflex', 'gpuflex', 'cpuflex'] as const) {
        ids.push((await store.submit(newJob({ serviceTier }))).id)
        await store.admit()
      }
      expect(await order(store)).toEqual(ids)
    })

    test('take urgent jobs first', async () => {
      await using fixture = await open()
      const { store } = fixture
      const ids: string[] = []
      for (const urgent of [false, true, false, true]) ids.push((await store.submit(newJob({ urgent }))).id)
      await store.admit()
      expect(await order(store)).toEqual([ids[1], ids[3], ids[0], ids[2]])
    })

    test('a job that was given back keeps its place', async () => {
      await using fixture = await open()
      const { store } = fixture
      const first = await running(store)
      await store.submit(newJob())
      await store.admit()
      await store.release(first.lease)
      expect((await claimed(store)).job.id).toBe(first.job.id)
    })

    test('take only the tiers that were asked for, and note the tier that serves', async () => {
      await using fixture = await open()
      const { store } = fixture
      await store.submit(newJob({ serviceTier: 'gpuflex' }))
      await store.admit()
      expect(await store.claim({ asked: ['cpuflex'], served: 'cpuflex', leaseMs: 1000 })).toBeUndefined()
      expect(await store.claim({ asked: [], served: 'cpuflex', leaseMs: 1000 })).toBeUndefined()
      const claim = await store.claim({ asked: ['gpuflex'], served: 'cpuflex', leaseMs: 1000 })
      expect(claim?.job).toMatchObject({ serviceTier: 'gpuflex', servedTier: 'cpuflex' })
    })

    test('of several connections never take the same job', async () => {
      await using fixture = await open()
      const stores = [fixture.store, await fixture.connect(), await fixture.connect()]
      for (let n = 0; n < 60; n++) await fixture.store.submit(newJob())
      await fixture.store.admit()
      const ids = (await Promise.all(stores.map(order))).flat()
      expect(ids).toHaveLength(60)
      expect(new Set(ids).size).toBe(60)
    })
  })

  describe(`${name}: leases`, () => {
    test('a worker that lost its lease writes nothing', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { lease: lost } = await running(store, {}, 0)
      await store.reap({ crashes: 9 })
      const { lease } = await claimed(store)
      await store.cancel(lease.jobId)
      const before = await store.find(lease.jobId)
      expect(await store.heartbeat(lost, 60_000)).toBe('lost')
      expect(await store.succeed(lost, 'results/late.json')).toBe(false)
      expect(await store.fail(lost, ERROR)).toBe(false)
      expect(await store.settleCancelled(lost)).toBe(false)
      expect(await store.release(lost)).toBe(false)
      expect(await store.retry(lost, 'crash', ERROR, LIMITS)).toBe('lost')
      expect(await store.find(lease.jobId)).toEqual(before)
      expect(await store.heartbeat(lease, 60_000)).toBe('cancel')
    })

    test('a lease that has run out and was not taken back still holds', async () => {
      await using fixture = await open()
      const { lease } = await running(fixture.store, {}, 0)
      expect(await fixture.store.succeed(lease, 'results/1.json')).toBe(true)
    })

    test('a heartbeat prolongs the lease and learns of a cancellation', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { lease } = await running(store, {}, 0)
      expect(await store.heartbeat(lease, 60_000)).toBe('held')
      expect(await store.reap({ crashes: 9 })).toBe(0)
      await store.cancel(lease.jobId)
      expect(await store.heartbeat(lease, 60_000)).toBe('cancel')
    })

    test('recover gives back what runs, without counting a crash, and cancels what only a connection waited for', async () => {
      await using fixture = await open()
      const { store } = fixture
      const run = await running(store)
      const urgentRun = await running(store, { urgent: true })
      const pending = await store.submit(newJob())
      const urgentPending = await store.submit(newJob({ urgent: true }))
      await store.admit()
      const accepted = await store.submit(newJob())
      const urgentAccepted = await store.submit(newJob({ urgent: true }))

      expect(await (await fixture.connect()).recover()).toBe(2)
      expect(await store.find(run.job.id)).toMatchObject({ status: 'pending', crashes: 0, failures: 0 })
      expect((await store.find(pending.id))?.status).toBe('pending')
      expect((await store.find(accepted.id))?.status).toBe('accepted')
      for (const { id } of [urgentRun.job, urgentPending, urgentAccepted]) {
        expect(await store.find(id)).toMatchObject({ status: 'cancelled', completedAt: expect.any(Date) })
      }
    })
  })

  describe(`${name}: cancel`, () => {
    test('is idempotent', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { lease } = await running(store)
      const asked = await store.cancel(lease.jobId)
      expect(asked).toMatchObject({ status: 'processing', cancelRequestedAt: expect.any(Date) })
      expect(await store.cancel(lease.jobId)).toEqual(asked)
      await store.settleCancelled(lease)
      const cancelled = await store.cancel(lease.jobId)
      expect(cancelled).toMatchObject({ status: 'cancelled', completedAt: expect.any(Date) })
      expect(cancelled).toEqual(await store.find(lease.jobId))
    })

    test('gives a job that has finished otherwise as it is', async () => {
      await using fixture = await open()
      const { jobId } = await jobIn(fixture.store, 'success')
      expect(await fixture.store.cancel(jobId)).toMatchObject({ status: 'success', cancelRequestedAt: null })
    })
  })

  describe(`${name}: list`, () => {
    test("gives a key's jobs page by page, the newest first, without the urgent ones", async () => {
      await using fixture = await open()
      const { store } = fixture
      const ids: string[] = []
      for (let n = 0; n < 5; n++) {
        ids.unshift((await store.submit(newJob())).id)
        await store.submit(newJob({ keyId: 'key-2' }))
        await store.submit(newJob({ urgent: true }))
      }
      const first = await store.list('key-1', { limit: 3 })
      expect(first.map((job) => job.id)).toEqual(ids.slice(0, 3))
      const before = first.at(-1)?.id ?? ''
      expect((await store.list('key-1', { limit: 3, before })).map((job) => job.id)).toEqual(ids.slice(3))
      expect(await store.list('key-2', { limit: 9, before })).toEqual([])
      expect(await store.list('key-3', { limit: 9 })).toEqual([])
    })

    test('can be of one status', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { jobId } = await jobIn(store, 'failed')
      await jobIn(store, 'accepted')
      expect((await store.list('key-1', { limit: 9, status: 'failed' })).map((job) => job.id)).toEqual([jobId])
    })
  })

  describe(`${name}: events`, () => {
    test('tell of what was committed, once', async () => {
      await using fixture = await open()
      const { store } = fixture
      const events = recorded(store)
      const { id } = await store.submit(newJob())
      await store.admit()
      await store.admit()
      const { lease } = await claimed(store)
      await store.heartbeat(lease, 1000)
      await store.cancel(id)
      await store.settleCancelled(lease)
      await store.settleCancelled(lease)
      await store.cancel(id)
      await setImmediate()
      expect(events).toEqual(['claimable', 'claimable', `cancelRequested ${id}`, `finished ${id}`])
    })

    const ends: readonly (readonly [string, Verb, 'claimable' | 'finished'])[] = [
      ['release', (store, lease) => store.release(lease), 'claimable'],
      ['retry', (store, lease) => store.retry(lease, 'error', ERROR, LIMITS), 'claimable'],
      ['the last retry', (store, lease) => store.retry(lease, 'error', ERROR, { failures: 1, crashes: 1 }), 'finished'],
      ['reap', (store) => store.reap({ crashes: 2 }), 'claimable'],
      ['the last reap', (store) => store.reap({ crashes: 1 }), 'finished'],
      ['recover', (store) => store.recover(), 'claimable'],
      ['succeed', (store, lease) => store.succeed(lease, 'results/1.json'), 'finished'],
      ['fail', (store, lease) => store.fail(lease, ERROR), 'finished'],
    ]
    test.each(ends)('%s', async (_, run, event) => {
      await using fixture = await open()
      const { store } = fixture
      const { lease } = await running(store, {}, 0)
      await setImmediate()
      const events = recorded(store)
      await run(store, lease)
      await setImmediate()
      expect(events).toEqual([event === 'finished' ? `finished ${lease.jobId}` : event])
    })

    test('a job that waits is cancelled with `finished`', async () => {
      await using fixture = await open()
      const { id } = await fixture.store.submit(newJob())
      await setImmediate()
      const events = recorded(fixture.store)
      await fixture.store.cancel(id)
      await setImmediate()
      expect(events).toEqual([`finished ${id}`])
    })

    test('a listener finds the row as the event says', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { lease } = await running(store)
      const found = Promise.withResolvers<Job | undefined>()
      store.on('finished', (id) => found.resolve(store.find(id)))
      await store.succeed(lease, 'results/1.json')
      expect((await found.promise)?.status).toBe('success')
    })

    test('a listener that was disposed hears nothing', async () => {
      await using fixture = await open()
      let heard = 0
      const listener = fixture.store.on('claimable', () => (heard += 1))
      await fixture.store.submit(newJob())
      await setImmediate()
      listener[Symbol.dispose]()
      await fixture.store.submit(newJob())
      await setImmediate()
      expect(heard).toBe(1)
    })
  })
}
