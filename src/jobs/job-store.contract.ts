import { describe, expect, test } from 'vitest'
import type { Job } from './job.ts'
import { describeClaim } from './queue/claim.contract.ts'
import { describeEventLog } from './events/event-log.contract.ts'
import { describeFollowing } from './events/follow.contract.ts'
import { describeNews } from './events/news.contract.ts'
import { describeChanges } from './keeping/change.contract.ts'
import { describeGarbage } from './keeping/garbage.contract.ts'
import { describeKeeping } from './keeping/keeping.contract.ts'
import { describeFetched } from './life/fetched.contract.ts'
import { describeTrueLength } from './life/length.contract.ts'
import { describeJobLife } from './life/life.contract.ts'
import { newJob, submitted } from './new-job.fixture.ts'
import { describeList } from './reading/list.contract.ts'
import { describeQueue } from './queue/queue.contract.ts'
import { ERROR, EVERY_TIER, LIMITS, claimed, jobIn, running } from './running-job.fixture.ts'
import type { JobStoreFixture } from './running-job.fixture.ts'
import type { JobStore } from './job-store.ts'
import { describeUsage } from './usage/usage.contract.ts'
import { describeWaiting } from './queue/waiting.contract.ts'

/** Claims all that can be claimed, and says in which order it came. */
async function order(store: JobStore): Promise<readonly string[]> {
  const ids: string[] = []
  for (;;) {
    const [claim] = await store.claim(EVERY_TIER)
    if (claim === undefined) return ids
    ids.push(claim.job.id)
  }
}

/** The contract of `JobStore`, to be run against each of its implementations; `open` makes an empty database. */
export function describeJobStore(name: string, open: () => Promise<JobStoreFixture>): void {
  describeJobLife(name, open)
  describeEventLog(name, open)
  describeFollowing(name, open)
  describeQueue(name, open)
  describeClaim(name, open)
  describeNews(name, open)
  describeWaiting(name, open)
  describeKeeping(name, open)
  describeTrueLength(name, open)
  describeFetched(name, open)
  describeGarbage(name, open)
  describeList(name, open)
  describeChanges(name, open)
  describeUsage(name, open)

  describe(`${name}: what a job knows`, () => {
    test('submit keeps everything, and says so', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { idempotency: _, ...given } = newJob({
        payloadVersion: '"an etag"',
        sourceUrl: null,
        serviceTier: 'gpuflex',
        priority: 'low',
        audioSeconds: 59.25,
        maxAudioSeconds: 60.5,
        startBy: new Date('2090-01-02T03:04:05.678Z'),
        timeoutSeconds: 7200,
        expiresAt: new Date('2091-01-02T03:04:05.678Z'),
        removeAfterSeconds: 0.5,
        name: 'Gespräch 🎙.m4a',
        metadata: { 'case no.': '7\'8"9', empty: '' },
        input: { a: ['é', null] },
        webhook: { endpoint: '{"a":1}', events: ['job.success', 'job.failed'], queue: 'key-1 example.com' },
        traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
      })
      const before = Date.now()
      const { job, isNew } = await store.submit({ ...given, idempotency: null })
      expect(isNew).toBe(true)
      expect(job).toEqual({
        ...given,
        status: 'pending',
        servedTier: null,
        resultKey: null,
        error: null,
        waitingFor: null,
        doneSeconds: 0,
        acceptedAt: expect.any(Date),
        readyAt: job.acceptedAt,
        startedAt: null,
        completedAt: null,
        cancelRequestedAt: null,
        attempt: 0,
        failures: 0,
        crashes: 0,
        deferrals: 0,
      })
      // The database's clock ticks in milliseconds, and may be another one.
      expect(job.acceptedAt.getTime()).toBeGreaterThan(before - 1000)
      expect(job.acceptedAt.getTime()).toBeLessThan(Date.now() + 1000)
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

    test('a claimed job knows since when it could have been', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { job, lease } = await running(store)
      expect(job.readyAt).toEqual(job.acceptedAt)
      await store.release(lease)
      const again = await claimed(store)
      expect(again.job.readyAt.getTime()).toBeGreaterThanOrEqual(job.startedAt?.getTime() ?? Infinity)
      expect(again.job.readyAt.getTime()).toBeLessThanOrEqual(again.job.startedAt?.getTime() ?? 0)
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

    test('what was found before is found as it is now, whoever changed it', async () => {
      await using fixture = await open()
      const { store } = fixture
      const other = await fixture.connect()
      for (const changing of [store, other]) {
        const soon = new Date(Date.now() + 200)
        const { job, lease } = await running(store)
        const { id } = await submitted(store, { startBy: soon })
        const seen = (): Promise<readonly (Job | undefined)[]> =>
          Promise.all([id, job.id].map(async (one) => await store.find(one)))
        expect(await seen()).toMatchObject([{ status: 'pending' }, { doneSeconds: 0 }])
        await changing.keepWindow(lease, 0, '{}', 30)
        expect(await seen()).toMatchObject([{ status: 'pending' }, { doneSeconds: 30 }])
        await changing.cancel(job.id)
        expect(await seen()).toMatchObject([{ status: 'pending' }, { cancelRequestedAt: expect.any(Date) }])
        await expect.poll(() => changing.expire(9).then(seen)).toMatchObject([{ status: 'failed' }, {}])
        await changing.recover()
        expect(await seen()).toMatchObject([{ status: 'failed' }, { status: 'cancelled' }])
      }
    })

    test('many that are looked for at once', async () => {
      await using fixture = await open()
      const { store } = fixture
      const ids = await Promise.all(Array.from({ length: 150 }, async () => (await submitted(store)).id))
      const found = await Promise.all([...ids, 'no-such-job', ...ids].map(async (id) => await store.find(id)))
      expect(found.map((job) => job?.id)).toEqual([...ids, undefined, ...ids])
    })

    test('usesPayload', async () => {
      await using fixture = await open()
      const { payloadKey } = await submitted(fixture.store)
      expect(await fixture.store.usesPayload(payloadKey)).toBe(true)
      expect(await fixture.store.usesPayload('uploads/other.mp3')).toBe(false)
    })

    test('what is not there', async () => {
      await using fixture = await open()
      const { store } = fixture
      expect(await store.find('no-such-job')).toBeUndefined()
      expect(await store.cancel('no-such-job')).toBeUndefined()
      expect(await store.remove('no-such-job')).toBe(false)
      expect(await store.claim(EVERY_TIER)).toEqual([])
      expect([await store.reap({ crashes: 1 }), await store.recover()]).toEqual([0, 0])
    })

    test('check', async () => {
      await using fixture = await open()
      await fixture.store.check()
      await fixture.store.check()
      await expect(fixture.store.check(AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late')
    })
  })

  describe(`${name}: claims`, () => {
    test('of one key go by the order of acceptance, whatever the tier', async () => {
      await using fixture = await open()
      const { store } = fixture
      const ids: string[] = []
      for (const serviceTier of ['cpuflex', 'gpuflex', 'gpuflex', 'cpuflex'] as const) {
        ids.push((await submitted(store, { serviceTier })).id)
      }
      expect(await order(store)).toEqual(ids)
    })

    test('take urgent jobs first', async () => {
      await using fixture = await open()
      const { store } = fixture
      const ids: string[] = []
      for (const urgent of [false, true, false, true]) ids.push((await submitted(store, { urgent })).id)
      expect(await order(store)).toEqual([ids[1], ids[3], ids[0], ids[2]])
    })

    test('a job that was given back keeps its place', async () => {
      await using fixture = await open()
      const { store } = fixture
      const first = await running(store)
      await store.submit(newJob())
      await store.release(first.lease)
      expect((await claimed(store)).job.id).toBe(first.job.id)
    })

    test('take only the tiers that were asked for, and note the tier that serves', async () => {
      await using fixture = await open()
      const { store } = fixture
      await store.submit(newJob({ serviceTier: 'gpuflex' }))
      expect(await store.claim({ ...EVERY_TIER, asked: ['cpuflex'] })).toEqual([])
      expect(await store.claim({ ...EVERY_TIER, asked: [] })).toEqual([])
      const [claim] = await store.claim({ ...EVERY_TIER, asked: ['gpuflex'] })
      expect(claim?.job).toMatchObject({ serviceTier: 'gpuflex', servedTier: 'cpuflex' })
    })

    test('of several connections never take the same job', async () => {
      await using fixture = await open()
      const stores = [fixture.store, await fixture.connect(), await fixture.connect()]
      for (let n = 0; n < 60; n++) await fixture.store.submit(newJob())
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
      const pending = await submitted(store)
      const urgentPending = await submitted(store, { urgent: true })

      expect(await (await fixture.connect()).recover()).toBe(2)
      expect(await store.find(run.job.id)).toMatchObject({ status: 'pending', crashes: 0, failures: 0 })
      expect((await store.find(pending.id))?.status).toBe('pending')
      for (const { id } of [urgentRun.job, urgentPending]) {
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
}
