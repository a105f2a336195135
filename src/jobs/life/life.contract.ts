import type { Updateable } from 'kysely'
import { describe, expect, test } from 'vitest'
import { FINISHED_STATUSES, JOB_STATUSES, isFinished } from '../job.ts'
import type { JobStatus } from '../job.ts'
import { ERROR, EVERY_TIER, LIMITS, jobIn, running } from '../running-job.fixture.ts'
import type { JobStoreFixture } from '../running-job.fixture.ts'
import type { JobsTable } from '../sql/schema.ts'
import type { JobStore, Lease } from '../job-store.ts'

const FETCHED = { payloadKey: 'uploads/fetched.mp3', audioSeconds: 30 }

export type Verb = (store: JobStore, lease: Lease) => Promise<unknown>
type Outcomes = Readonly<Record<JobStatus, JobStatus | 'removed'>>

const UNMOVED = Object.fromEntries(JOB_STATUSES.map((status) => [status, status])) as Record<JobStatus, JobStatus>

/** What each verb makes of a job in each status: the table at the top of `job.ts`. */
const LIFE: readonly (readonly [name: string, Verb, Outcomes])[] = [
  ['claim', (store) => store.claim(EVERY_TIER), { ...UNMOVED, pending: 'processing' }],
  ['heartbeat', (store, lease) => store.heartbeat(lease, 1), UNMOVED],
  ['release', (store, lease) => store.release(lease), { ...UNMOVED, processing: 'pending' }],
  [
    'defer for the first time',
    (store, lease) => store.defer(lease, ERROR, { limitMs: 1000, pauseMs: 0 }),
    { ...UNMOVED, processing: 'pending' },
  ],
  [
    'defer for too long',
    (store, lease) => store.defer(lease, ERROR, { limitMs: 0, pauseMs: 0 }),
    { ...UNMOVED, processing: 'failed' },
  ],
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
  ['fetched', (store, lease) => store.fetched(lease, FETCHED), { ...UNMOVED, processing: 'pending' }],
  ['succeed', (store, lease) => store.succeed(lease, 'results/2.json'), { ...UNMOVED, processing: 'success' }],
  ['fail', (store, lease) => store.fail(lease, ERROR), { ...UNMOVED, processing: 'failed' }],
  ['settleCancelled when nobody asked for it', (store, lease) => store.settleCancelled(lease), UNMOVED],
  [
    'settleCancelled when it was asked for',
    async (store, lease) => {
      await store.cancel(lease.jobId)
      await store.settleCancelled(lease)
    },
    { ...UNMOVED, pending: 'cancelled', processing: 'cancelled' },
  ],
  ['cancel', (store, lease) => store.cancel(lease.jobId), { ...UNMOVED, pending: 'cancelled' }],
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
  ['defer', (store, lease) => store.defer(lease, ERROR, { limitMs: 0, pauseMs: 0 }), 'cancelled'],
  ['fetched', (store, lease) => store.fetched(lease, FETCHED), 'cancelled'],
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

/** The life of a job, which is part of the contract of `JobStore`: the table at the top of `job.ts`, row by row. */
export function describeJobLife(name: string, open: () => Promise<JobStoreFixture>): void {
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

    test('a job that succeeds is done with all of its recording, and one that fails is not', async () => {
      await using fixture = await open()
      const { store } = fixture
      const [one, other] = [await running(store), await running(store)]
      await store.succeed(one.lease, 'results/1.json')
      await store.fail(other.lease, ERROR)
      expect(await store.find(one.job.id)).toMatchObject({ audioSeconds: 90, doneSeconds: 90 })
      expect(await store.find(other.job.id)).toMatchObject({ audioSeconds: 90, doneSeconds: 0 })
    })

    test('a job waits for what it lacks until its limit has passed since it began to, and fails then', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const { lease } = await running(store)
      await store.defer(lease, ERROR, { limitMs: 3_600_000, pauseMs: 0 })
      const waitingFor = async (seconds: number): Promise<JobStatus | undefined> => {
        const [again] = await store.claim(EVERY_TIER)
        await database.queries
          .updateTable('jobs')
          .set({ deferred_since: Date.now() / 1000 - seconds })
          .execute()
        if (again !== undefined) await store.defer(again.lease, ERROR, { limitMs: 3_600_000, pauseMs: 0 })
        return (await store.find(lease.jobId))?.status
      }
      expect(await waitingFor(3500)).toBe('pending')
      expect(await waitingFor(3700)).toBe('failed')
    })

    const escapes = FINISHED_STATUSES.flatMap((from) =>
      JOB_STATUSES.filter((to) => to !== from).map((to) => ({ from, to })),
    )
    test.each(escapes)('the database refuses $from → $to', async ({ from, to }) => {
      await using fixture = await open()
      const { store, database } = fixture
      const { jobId } = await jobIn(store, from)
      const before = await store.find(jobId)
      const update = database.queries.updateTable('jobs').set(columnsOf(to)).where('id', '=', jobId)
      await expect(update.execute()).rejects.toMatchObject({ code: 'store.refused', retryable: false })
      expect(await store.find(jobId)).toEqual(before)
    })
  })
}
