import { sql } from 'kysely'
import { describe, expect, test } from 'vitest'
import type { JobEvent } from '../../contract/job-event.ts'
import type { Database } from '../sql/dialect.ts'
import type { Verb } from '../life/life.contract.ts'
import { newJob, submitted } from '../new-job.fixture.ts'
import { ERROR, EVERY_TIER, LIMITS, running } from '../running-job.fixture.ts'
import type { JobStoreFixture } from '../running-job.fixture.ts'
import type { JobStore } from '../job-store.ts'

const FETCHED = { payloadKey: 'uploads/fetched.mp3', audioSeconds: 30 }

type Told = Pick<JobEvent, 'kind' | 'data'>

const ALL = 10_000

async function toldOf(store: JobStore, jobId: string): Promise<readonly Told[]> {
  return (await store.events(jobId, 0, ALL)).map(({ kind, data }) => ({ kind, data }))
}

const LATER = { notBefore: expect.stringMatching(/^20..-..-..T/) }
const crashed = { code: 'job.crashed' }

/** What each verb tells of a running job: the table at the top of `job.ts`. */
const OF_RUNNING: readonly (readonly [name: string, Verb, readonly unknown[]])[] = [
  ['heartbeat', (store, lease) => store.heartbeat(lease, 1000), []],
  ['correctLength', (store, lease) => store.correctLength(lease, 10), []],
  [
    'keepWindow',
    (store, lease) => store.keepWindow(lease, 0, '{}', 30),
    [{ kind: 'window', data: { windows: 1, doneSeconds: 30, audioSeconds: 90 } }],
  ],
  [
    'noteWeights',
    (store, lease) => store.noteWeights(lease, { receivedBytes: 1, totalBytes: 2 }),
    [{ kind: 'weights', data: { receivedBytes: 1, totalBytes: 2 } }],
  ],
  [
    'noteFetch',
    (store, lease) => store.noteFetch(lease, { receivedBytes: 1 }),
    [{ kind: 'fetch', data: { receivedBytes: 1 } }],
  ],
  ['fetched', (store, lease) => store.fetched(lease, FETCHED), [{ kind: 'released', data: {} }]],
  ['release', (store, lease) => store.release(lease), [{ kind: 'released', data: {} }]],
  ['release with a pause', (store, lease) => store.release(lease, 60_000), [{ kind: 'released', data: LATER }]],
  [
    'defer for the first time',
    (store, lease) => store.defer(lease, ERROR, { limitMs: 1000, pauseMs: 60_000 }),
    [{ kind: 'deferred', data: { code: ERROR.code, ...LATER } }],
  ],
  [
    'defer for too long',
    (store, lease) => store.defer(lease, ERROR, { limitMs: 0, pauseMs: 0 }),
    [{ kind: 'finished', data: { status: 'failed', code: ERROR.code } }],
  ],
  [
    'retry after an error',
    (store, lease) => store.retry(lease, 'error', ERROR, LIMITS, 60_000),
    [{ kind: 'retried', data: { code: ERROR.code, ...LATER } }],
  ],
  [
    'retry after a crash',
    (store, lease) => store.retry(lease, 'crash', ERROR, LIMITS),
    [{ kind: 'retried', data: { code: ERROR.code } }],
  ],
  [
    'retry at the limit',
    (store, lease) => store.retry(lease, 'error', ERROR, { ...LIMITS, failures: 1 }),
    [{ kind: 'finished', data: { status: 'failed', code: ERROR.code } }],
  ],
  [
    'reap below the limit',
    async (store, lease) => {
      await store.heartbeat(lease, 0)
      await store.reap({ crashes: 2 })
    },
    [{ kind: 'retried', data: crashed }],
  ],
  [
    'reap at the limit',
    async (store, lease) => {
      await store.heartbeat(lease, 0)
      await store.reap({ crashes: 1 })
    },
    [{ kind: 'finished', data: { status: 'failed', ...crashed } }],
  ],
  ['recover', (store) => store.recover(), [{ kind: 'released', data: {} }]],
  [
    'succeed',
    (store, lease) => store.succeed(lease, 'results/1.json'),
    [{ kind: 'finished', data: { status: 'success' } }],
  ],
  [
    'fail',
    (store, lease) => store.fail(lease, ERROR),
    [{ kind: 'finished', data: { status: 'failed', code: ERROR.code } }],
  ],
  ['cancel', (store, lease) => store.cancel(lease.jobId), [{ kind: 'cancel_requested', data: {} }]],
  [
    'cancel twice, and settleCancelled twice',
    async (store, lease) => {
      await store.cancel(lease.jobId)
      await store.cancel(lease.jobId)
      await store.settleCancelled(lease)
      await store.settleCancelled(lease)
    },
    [
      { kind: 'cancel_requested', data: {} },
      { kind: 'finished', data: { status: 'cancelled' } },
    ],
  ],
  [
    'a lease that was lost',
    async (store, lease) => {
      const lost = { ...lease, token: 'lost' }
      await store.release(lost)
      await store.retry(lost, 'error', ERROR, LIMITS)
      await store.keepWindow(lost, 0, '{}', 30)
      expect(await store.noteWeights(lost, { receivedBytes: 1, totalBytes: 2 })).toBe(false)
      expect(await store.fetched(lost, FETCHED)).toBe(false)
      await store.succeed(lost, 'results/1.json')
    },
    [],
  ],
]

/** What a pending job's verbs tell. */
const OF_PENDING: readonly (readonly [
  name: string,
  (store: JobStore, id: string) => Promise<unknown>,
  readonly unknown[],
])[] = [
  ['cancel', (store, id) => store.cancel(id), [{ kind: 'finished', data: { status: 'cancelled' } }]],
  [
    'claim',
    (store) => store.claim({ ...EVERY_TIER, worker: 'worker-1' }),
    [{ kind: 'claimed', data: { attempt: 1, servedTier: 'cpuflex', worker: 'worker-1' } }],
  ],
  [
    'claim by nobody in particular',
    (store) => store.claim(EVERY_TIER),
    [{ kind: 'claimed', data: { attempt: 1, servedTier: 'cpuflex' } }],
  ],
]

const ACCEPTED = {
  kind: 'accepted',
  data: { model: 'sotto/whisper-demo', serviceTier: 'cpuflex', audioSeconds: 90 },
}
const CLAIMED = { kind: 'claimed', data: { attempt: 1, servedTier: 'cpuflex' } }

/** As if so many windows had been finished. */
export async function windowEvents({ queries, dialect }: Database, jobId: string, count: number): Promise<void> {
  const rows = Array.from({ length: count }, (_, n) => ({
    data: JSON.stringify({ windows: n + 1, doneSeconds: 30 * (n + 1), audioSeconds: 90 }),
  }))
  await sql`
    insert into job_events (job_id, key_id, kind, data, at)
    select ${jobId}, 'key-1', 'window', given.data, 1 from ${dialect.rows(rows, { data: 'text' })}
  `.execute(queries)
}

/** What is kept of what happened to jobs: a part of the contract of `JobStore`. */
export function describeEventLog(name: string, open: () => Promise<JobStoreFixture>): void {
  describe(`${name}: a job's history`, () => {
    test.each(OF_PENDING)('of a job that waits: %s', async (_, run, told) => {
      await using fixture = await open()
      const { store } = fixture
      const { id } = await submitted(store)
      await run(store, id)
      expect(await toldOf(store, id)).toEqual([ACCEPTED, ...told])
    })

    test.each(OF_RUNNING)('of a job that runs: %s', async (_, run, told) => {
      await using fixture = await open()
      const { store } = fixture
      const { lease } = await running(store)
      await run(store, lease)
      expect(await toldOf(store, lease.jobId)).toEqual([ACCEPTED, CLAIMED, ...told])
    })

    test('of jobs whose time is over', async () => {
      await using fixture = await open()
      const { store } = fixture
      const late = await submitted(store, { startBy: new Date(0) })
      const due = await submitted(store, { expiresAt: new Date(0) })
      await store.expire(0)
      const notStarted = { status: 'failed', code: 'job.not_started' }
      expect(await toldOf(store, late.id)).toEqual([ACCEPTED, { kind: 'finished', data: notStarted }])
      expect(await toldOf(store, due.id)).toEqual([ACCEPTED, { kind: 'finished', data: { status: 'cancelled' } }])
    })

    test('of jobs that were submitted together', async () => {
      await using fixture = await open()
      const { store } = fixture
      const jobs = await Promise.all(Array.from({ length: 30 }, () => submitted(store)))
      for (const { id } of jobs) expect(await toldOf(store, id)).toEqual([ACCEPTED])
    })

    test('says when, by the database’s clock, and whose it is', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { job, lease } = await running(store)
      await store.succeed(lease, 'results/1.json')
      const finished = await store.find(job.id)
      const events = await store.events(job.id, 0, ALL)
      const times = [job.acceptedAt, job.startedAt, finished?.completedAt]
      expect(events.map(({ at }) => at)).toEqual(times.map((time) => time?.toISOString()))
      expect(events.map(({ jobId }) => jobId)).toEqual([job.id, job.id, job.id])
    })

    test('is read on from where it was read to, so many at a time', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { lease } = await running(store)
      await submitted(store)
      await store.release(lease)
      const all = await store.events(lease.jobId, 0, ALL)
      expect(all.map(({ kind }) => kind)).toEqual(['accepted', 'claimed', 'released'])
      const [first, second] = await store.events(lease.jobId, 0, 2)
      expect([first, second]).toEqual(all.slice(0, 2))
      expect(await store.events(lease.jobId, second?.sequence ?? 0, 2)).toEqual(all.slice(2))
      expect(await store.events(lease.jobId, all.at(-1)?.sequence ?? 0, 2)).toEqual([])
    })

    test('a key’s is that of all its jobs, and of no other’s', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { lease } = await running(store, { keyId: 'one' })
      const other = await submitted(store, { keyId: 'other' })
      const second = await submitted(store, { keyId: 'one' })
      await store.fail(lease, ERROR)
      const told = (await store.eventsOfKey('one', 0, ALL)).map(({ jobId, kind }) => [jobId, kind])
      expect(told).toEqual([
        [lease.jobId, 'accepted'],
        [lease.jobId, 'claimed'],
        [second.id, 'accepted'],
        [lease.jobId, 'finished'],
      ])
      expect((await store.eventsOfKey('other', 0, ALL)).map(({ jobId }) => jobId)).toEqual([other.id])
    })

    test('goes with its job, and no other’s does', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const { lease } = await running(store)
      const other = await submitted(store)
      await store.succeed(lease, 'results/1.json')
      await store.remove(lease.jobId)
      const { rows } = await sql<{ id: string }>`select job_id as id from job_events`.execute(database.queries)
      expect(rows).toEqual([{ id: other.id }])
    })

    test('of a recording that is days long keeps all transitions, the newest windows, and some of the others', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const { lease } = await running(store)
      await windowEvents(database, lease.jobId, 9500)
      await store.keepWindow(lease, 498, '{}', 30 * 9501)
      expect(await store.events(lease.jobId, 0, 2 * ALL)).toHaveLength(9503)
      await store.keepWindow(lease, 499, '{}', 30 * 9502)
      const told = await toldOf(store, lease.jobId)
      expect(told.length).toBeLessThanOrEqual(5002)
      expect(told.length).toBeGreaterThan(4900)
      expect(told.slice(0, 2)).toEqual([ACCEPTED, CLAIMED])
      const seconds = told.flatMap(({ data }) => ('doneSeconds' in data ? [data.doneSeconds] : []))
      expect(seconds.slice(-1000)).toEqual(Array.from({ length: 1000 }, (_, n) => 30 * (8503 + n)))
    })

    test('a number is not given again when the newest events are gone', async () => {
      await using fixture = await open()
      const { store } = fixture
      const first = await submitted(store)
      await store.cancel(first.id)
      const last = (await store.eventsOfKey(first.keyId, 0, ALL)).at(-1)?.sequence ?? 0
      await store.remove(first.id)
      const second = await submitted(store)
      const events = await store.eventsOfKey(first.keyId, last, ALL)
      expect(events.map(({ jobId }) => jobId)).toEqual([second.id])
    })

    test('what rolls back leaves no event', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const { lease } = await running(store)
      const undone = database.queries.transaction().execute(async (transaction) => {
        await transaction
          .updateTable('jobs')
          .set({ status: 'pending', lease_token: null, lease_until: null })
          .where('id', '=', lease.jobId)
          .execute()
        const { rows } = await sql`select 1 from job_events where kind = 'released'`.execute(transaction)
        expect(rows).toHaveLength(1)
        throw new Error('undone')
      })
      await expect(undone).rejects.toThrow('undone')
      await sql`insert into garbage (payload_key, claimed_until) values ('uploads/gone.wav', 1)`.execute(
        database.queries,
      )
      const gone = newJob({ payloadKey: 'uploads/gone.wav' })
      await expect(store.submit(gone)).rejects.toMatchObject({ code: 'recording.gone' })
      expect(await toldOf(store, lease.jobId)).toEqual([ACCEPTED, CLAIMED])
      expect(await toldOf(store, gone.id)).toEqual([])
    })

    test('a job that is submitted again by the same request is accepted once', async () => {
      await using fixture = await open()
      const { store } = fixture
      const idempotency = { key: 'one', requestHash: 'hash' }
      const { id } = await submitted(store, { idempotency })
      expect((await submitted(store, { idempotency })).id).toBe(id)
      expect(await store.eventsOfKey('key-1', 0, ALL)).toHaveLength(1)
    })

    test('of a kind that a newer version writes is passed over', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const { lease } = await running(store)
      await sql`
        insert into job_events (job_id, key_id, kind, data, at) values (${lease.jobId}, 'key-1', 'dreamt', '{}', 1)
      `.execute(database.queries)
      await store.release(lease)
      const kinds = (await store.events(lease.jobId, 0, 3)).map(({ kind }) => kind)
      expect(kinds).toEqual(['accepted', 'claimed', 'released'])
    })
  })
}
