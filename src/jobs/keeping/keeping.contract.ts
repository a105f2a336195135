import type { KyselyPlugin } from 'kysely'
import { describe, expect, test } from 'vitest'
import { newJob, submitted } from '../new-job.fixture.ts'
import { resultsOf } from '../result-key.ts'
import { Garbage } from './garbage.ts'
import { ERROR, EVERY_TIER, LIMITS, claimed, jobIn, running } from '../running-job.fixture.ts'
import type { JobStoreFixture } from '../running-job.fixture.ts'
import { SqlJobStore } from '../sql/sql-store.ts'
import type { KeyLimits, NewJob } from '../job-store.ts'

/** A connection that breaks whenever a job is looked for by its idempotency key. */
const BREAKING_REPLAYS: KyselyPlugin = {
  transformQuery({ node }) {
    const isReplay = node.kind === 'SelectQueryNode' && JSON.stringify(node).includes('idempotency_key')
    if (isReplay) throw new Error('the connection broke')
    return node
  },
  transformResult: ({ result }) => Promise.resolve(result),
}

const NO_LIMITS: KeyLimits = { queuedJobs: null, runningJobs: null, audioSecondsPerDay: null }

/** What is kept of submits and of runs: a part of the contract of `JobStore`. */
export function describeKeeping(name: string, open: () => Promise<JobStoreFixture>): void {
  describe(`${name}: idempotency`, () => {
    const again = (given: Partial<NewJob> = {}): NewJob =>
      newJob({ idempotency: { key: 'order-1', requestHash: 'abc' }, ...given })

    test('the same key and request give the same job, one after the other and at once', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { job, isNew } = await store.submit(again())
      expect(isNew).toBe(true)
      const others = await Promise.all([store.submit(again()), (await fixture.connect()).submit(again())])
      expect(others).toEqual([1, 2].map(() => ({ job, isNew: false })))
      const racing = again({ idempotency: { key: 'order-2', requestHash: 'abc' } })
      const raced = await Promise.all([1, 2, 3].map((n) => store.submit({ ...racing, id: `racing-${n}` })))
      expect(raced.filter(({ isNew: isFirst }) => isFirst)).toHaveLength(1)
      expect(new Set(raced.map((outcome) => outcome.job.id)).size).toBe(1)
    })

    test('the same key with another request is refused', async () => {
      await using fixture = await open()
      const { store } = fixture
      await store.submit(again())
      const other = again({ idempotency: { key: 'order-1', requestHash: 'def' } })
      await expect(store.submit(other)).rejects.toMatchObject({ code: 'idempotency.mismatch', retryable: false })
    })

    test('what was submitted before can be found without submitting', async () => {
      await using fixture = await open()
      const { store } = fixture
      const idempotency = { key: 'order-1', requestHash: 'abc' }
      expect(await store.findReplay('key-1', idempotency)).toBeUndefined()
      const { job } = await store.submit(again())
      expect(await store.findReplay('key-1', idempotency)).toEqual(job)
      expect(await store.findReplay('key-2', idempotency)).toBeUndefined()
      const other = store.findReplay('key-1', { key: 'order-1', requestHash: 'def' })
      await expect(other).rejects.toMatchObject({ code: 'idempotency.mismatch' })
    })

    test('a replay that can’t be read fails alone: what was committed with it is told of', async () => {
      await using fixture = await open()
      await fixture.store.submit(again())
      const { database } = fixture
      const store = new SqlJobStore({ ...database, queries: database.queries.withPlugin(BREAKING_REPLAYS) })
      const outcomes = await Promise.allSettled([newJob(), again(), newJob()].map((one) => store.submit(one)))
      expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
      expect(outcomes[1]).toMatchObject({ reason: { message: 'the connection broke' } })
      expect((await fixture.store.list('key-1', { limit: 9 })).jobs).toHaveLength(3)
    })

    test('a replay counts against no limit, its own nor that of others', async () => {
      await using fixture = await open()
      const store = await fixture.connect({ limits: { ...NO_LIMITS, queuedJobs: 2, audioSecondsPerDay: 180 } })
      const { job } = await store.submit(again())
      const outcomes = await Promise.all([again(), again(), newJob()].map((one) => store.submit(one)))
      expect(outcomes.map(({ isNew }) => isNew)).toEqual([false, false, true])
      expect(await store.submit(again())).toEqual({ job, isNew: false })
      await expect(store.submit(newJob())).rejects.toMatchObject({ code: 'limit.reached' })
    })

    test('is each API key’s own, and without a key each request is new', async () => {
      await using fixture = await open()
      const { store } = fixture
      await store.submit(again())
      expect((await store.submit(again({ keyId: 'key-2' }))).isNew).toBe(true)
      expect((await store.submit(newJob())).isNew).toBe(true)
      expect((await store.submit(newJob())).isNew).toBe(true)
    })
  })

  describe(`${name}: limits`, () => {
    test('of jobs that wait', async () => {
      await using fixture = await open()
      const store = await fixture.connect({ limits: { ...NO_LIMITS, queuedJobs: 2 } })
      const outcomes = await Promise.allSettled([1, 2, 3].map(() => store.submit(newJob())))
      expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected'])
      const error = {
        code: 'limit.reached',
        retryAfterSeconds: expect.any(Number),
        message: expect.stringContaining('2 jobs'),
      }
      await expect(store.submit(newJob())).rejects.toMatchObject(error)
      await store.submit(newJob({ keyId: 'key-2' }))
      await claimed(store)
      await claimed(store)
      await store.submit(newJob())
    })

    test('of seconds of audio a day, also for jobs that are gone again', async () => {
      await using fixture = await open()
      const store = await fixture.connect({ limits: { ...NO_LIMITS, audioSecondsPerDay: 100 } })
      const { id } = await submitted(store, { audioSeconds: 60 })
      await store.cancel(id)
      await store.remove(id)
      await expect(store.submit(newJob({ audioSeconds: 41 }))).rejects.toMatchObject({ code: 'limit.reached' })
      await store.submit(newJob({ audioSeconds: 40 }))
      await expect(store.submit(newJob({ audioSeconds: 1 }))).rejects.toMatchObject({ code: 'limit.reached' })
      await store.submit(newJob({ audioSeconds: 100, keyId: 'key-2' }))
    })
  })

  describe(`${name}: limits that are a key’s own`, () => {
    const refused = { code: 'limit.reached' }

    test('are in the place of the store’s, be it more, less or none', async () => {
      await using fixture = await open()
      const store = await fixture.connect({ limits: { ...NO_LIMITS, queuedJobs: 2 } })
      const most = new Map([
        ['less', 1],
        ['more', 3],
        ['none', null],
      ])
      for (const [keyId, queuedJobs] of most) {
        const submits = Array.from({ length: 4 }, () => store.submit(newJob({ keyId, limits: { queuedJobs } })))
        const outcomes = await Promise.allSettled(submits)
        expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(queuedJobs ?? 4)
      }
      await Promise.all([store.submit(newJob()), store.submit(newJob())])
      await expect(store.submit(newJob())).rejects.toMatchObject(refused)
    })

    test('of seconds of audio count that key’s alone', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const limits = { audioSecondsPerDay: 100 }
      await Promise.all([store.submit(newJob({ keyId: 'limited', limits })), store.submit(newJob({ keyId: 'free' }))])
      await expect(store.submit(newJob({ keyId: 'limited', limits }))).rejects.toMatchObject({
        ...refused,
        message: expect.stringContaining('100 s of audio a day'),
      })
      const counted = await database.queries.selectFrom('audio_usage').select(['key_id', 'audio_seconds']).execute()
      expect(counted).toEqual([{ key_id: 'limited', audio_seconds: 90 }])
    })

    test('what a key has of them is told', async () => {
      await using fixture = await open()
      const { store } = fixture
      const limits = { audioSecondsPerDay: 1000 }
      expect(await store.usage('a', limits)).toEqual({ queuedJobs: 0, runningJobs: 0, audioSecondsToday: 0 })
      for (let jobs = 0; jobs < 3; jobs++) await store.submit(newJob({ keyId: 'a', limits }))
      await claimed(store)
      await store.submit(newJob({ keyId: 'b' }))
      expect(await store.usage('a')).toEqual({ queuedJobs: 2, runningJobs: 1, audioSecondsToday: 270 })
      expect(await store.usage('b')).toEqual({ queuedJobs: 1, runningJobs: 0, audioSecondsToday: null })
    })
  })

  describe(`${name}: limits of what is submitted at once`, () => {
    test('count the audio of each key, all of its jobs together', async () => {
      await using fixture = await open()
      const store = await fixture.connect({ limits: { ...NO_LIMITS, audioSecondsPerDay: 100 } })
      const given = [
        { keyId: 'key-b', audioSeconds: 60 },
        { keyId: 'key-a', audioSeconds: 70 },
        { keyId: 'key-b', audioSeconds: 40 },
        { keyId: 'key-a', audioSeconds: 31 },
      ]
      const outcomes = await Promise.allSettled(given.map((one) => store.submit(newJob(one))))
      expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected'])
      await expect(store.submit(newJob({ keyId: 'key-b', audioSeconds: 1 }))).rejects.toMatchObject({
        code: 'limit.reached',
      })
      await store.submit(newJob({ keyId: 'key-a', audioSeconds: 30 }))
      const usage = await fixture.database.queries
        .selectFrom('audio_usage')
        .select(['key_id', 'audio_seconds'])
        .orderBy('key_id')
        .execute()
      expect(usage).toEqual([
        { key_id: 'key-a', audio_seconds: 100 },
        { key_id: 'key-b', audio_seconds: 100 },
      ])
    })

    test('give each of a key’s jobs a place behind the one before', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      await Promise.all([100, 90, 80].map((audioSeconds) => store.submit(newJob({ audioSeconds, priority: 'high' }))))
      const rows = await database.queries
        .selectFrom('jobs')
        .select(['virtual_start', 'rank'])
        .orderBy('sequence')
        .execute()
      const start = rows[0]?.virtual_start ?? 0
      expect(rows.map(({ virtual_start: from, rank }) => [from - start, rank - start].map(Math.round))).toEqual([
        [0, 100],
        [100, 190],
        [190, 270],
      ])
    })
  })

  describe(`${name}: windows`, () => {
    test('are there for the next run, in order', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { job, lease } = await running(store)
      expect(await store.windows(job.id)).toEqual([])
      for (const [ordinal, data] of ['{"a":1}', '{"b":2}', '{"c":3}'].entries()) {
        expect(await store.keepWindow(lease, ordinal, data, 30 * (ordinal + 1))).toBe(true)
      }
      expect((await store.find(job.id))?.doneSeconds).toBe(90)
      await store.release(lease)
      await claimed(store)
      expect(await store.windows(job.id)).toEqual(['{"a":1}', '{"b":2}', '{"c":3}'])
    })

    test('replace those from their place on, which are another run’s, and no other job’s', async () => {
      await using fixture = await open()
      const { store } = fixture
      const other = await running(store)
      await store.keepWindow(other.lease, 1, 'another job’s', 30)
      const { job, lease } = await running(store)
      for (const ordinal of [0, 1, 2]) await store.keepWindow(lease, ordinal, `old ${ordinal}`, 30)
      await store.keepWindow(lease, 1, 'new 1', 31)
      expect(await store.windows(job.id)).toEqual(['old 0', 'new 1'])
      expect(await store.windows(other.job.id)).toEqual(['another job’s'])
    })

    test('are progress: crashes before them do not count any more', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { lease } = await running(store)
      await store.retry(lease, 'crash', ERROR, LIMITS)
      const again = await claimed(store)
      expect(again.job.crashes).toBe(1)
      await store.keepWindow(again.lease, 0, 'data', 30)
      expect(await store.retry(again.lease, 'crash', ERROR, LIMITS)).toBe('pending')
      expect((await store.find(again.job.id))?.crashes).toBe(1)
    })

    test('are not kept by a worker that lost its lease', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { job, lease: lost } = await running(store, {}, 0)
      await store.reap({ crashes: 9 })
      await claimed(store)
      expect(await store.keepWindow(lost, 0, 'late', 30)).toBe(false)
      expect(await store.windows(job.id)).toEqual([])
    })

    test.each(['success', 'failed', 'cancelled'] as const)('go when the job ends as %s', async (status) => {
      await using fixture = await open()
      const { store } = fixture
      const { job, lease } = await running(store)
      await store.keepWindow(lease, 0, 'data', 30)
      if (status === 'success') await store.succeed(lease, 'results/1.json')
      if (status === 'failed') await store.fail(lease, { code: 'audio.damaged', message: 'It is damaged.' })
      if (status === 'cancelled') {
        await store.cancel(job.id)
        await store.settleCancelled(lease)
      }
      expect(await store.windows(job.id)).toEqual([])
    })
  })

  describe(`${name}: what is to go`, () => {
    test('a removed job’s payloads are garbage, all its results by one entry, however often it was tried', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const { jobId } = await jobIn(store, 'success')
      const payloadKey = (await store.find(jobId))?.payloadKey ?? ''
      await database.queries.updateTable('jobs').set({ attempt: 40_000 }).where('id', '=', jobId).execute()
      expect(await store.remove(jobId)).toBe(true)
      const { keys } = await new Garbage(database).take(9)
      expect(keys.toSorted()).toEqual([payloadKey, 'results/1.json', resultsOf(jobId)].toSorted())
    })

    test('many jobs that were tried too often to be listed one by one are removed in one step', async () => {
      await using fixture = await open()
      const store = await fixture.connect({ retentionMs: 0 })
      for (let n = 0; n < 5; n++) await jobIn(store, 'failed')
      await fixture.database.queries.updateTable('jobs').set({ attempt: 40_000 }).execute()
      expect(await store.expire(100)).toBe(5)
    })

    test('a job that is read while it is removed is not there afterwards', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { jobId } = await jobIn(store, 'failed')
      await Promise.all([store.find(jobId), store.remove(jobId), store.find(jobId)])
      expect(await store.find(jobId)).toBeUndefined()
    })

    test('is what the retention says, but for jobs with a time of their own', async () => {
      await using fixture = await open()
      const store = await fixture.connect({ retentionMs: 0 })
      const due = await jobIn(store, 'success')
      const kept = await running(store, { expiresAt: new Date(Date.now() + 3_600_000) })
      await store.succeed(kept.lease, 'results/kept.json')
      const unfinished = await running(store)
      expect(await store.expire(9)).toBe(1)
      expect(await store.find(due.jobId)).toBeUndefined()
      expect((await store.find(kept.job.id))?.status).toBe('success')
      expect((await store.find(unfinished.job.id))?.status).toBe('processing')
      expect(await fixture.store.expire(9)).toBe(0)
    })

    test('is what a job’s own time after its end says, or its date, whichever comes first', async () => {
      await using fixture = await open()
      const { database } = fixture
      const store = await fixture.connect({ retentionMs: 0 })
      const hourAgo = Date.now() / 1000 - 3600
      const later = new Date(Date.now() + 3_600_000)
      const given = [
        { removeAfterSeconds: 3500 },
        { removeAfterSeconds: 3700 },
        { removeAfterSeconds: 3500, expiresAt: later },
        { removeAfterSeconds: 3700, expiresAt: later },
      ]
      const ids: string[] = []
      for (const each of given) {
        const { lease } = await running(store, each)
        await store.succeed(lease, 'results/1.json')
        ids.push(lease.jobId)
      }
      await database.queries.updateTable('jobs').set({ completed_at: hourAgo }).execute()
      // It has not finished, so nothing has begun.
      const unfinished = await submitted(store, { removeAfterSeconds: 0.001 })
      expect(await store.expire(9)).toBe(2)
      const left = await Promise.all([...ids, unfinished.id].map(async (id) => (await store.find(id)) !== undefined))
      expect(left).toEqual([false, true, false, true, true])
    })

    test('comes when the retention has passed since the end, and not before', async () => {
      await using fixture = await open()
      const { database } = fixture
      const store = await fixture.connect({ retentionMs: 3_600_000 })
      const { jobId } = await jobIn(store, 'success')
      const end = database.queries.updateTable('jobs').where('id', '=', jobId)
      await end.set({ completed_at: Date.now() / 1000 - 3500 }).execute()
      expect(await store.expire(9)).toBe(0)
      await end.set({ completed_at: Date.now() / 1000 - 3700 }).execute()
      expect(await store.expire(9)).toBe(1)
    })

    test('goes no more than so many at a time', async () => {
      await using fixture = await open()
      const store = await fixture.connect({ retentionMs: 0 })
      for (let n = 0; n < 5; n++) await jobIn(store, 'failed')
      expect([await store.expire(3), await store.expire(3), await store.expire(3)]).toEqual([3, 2, 0])
    })

    test('what has to start by now and has not fails; what runs goes on', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const startBy = new Date(Date.now() + 3_600_000)
      const { job } = await running(store, { startBy })
      const late = await submitted(store, { startBy })
      await database.queries
        .updateTable('jobs')
        .set({ start_by: Date.now() / 1000 - 1 })
        .execute()
      const early = await submitted(store, { startBy: new Date(Date.now() + 3_600_000) })
      expect(await store.claim(EVERY_TIER)).toMatchObject([{ job: { id: early.id } }])
      expect(await store.claim(EVERY_TIER)).toEqual([])
      await store.expire(9)
      expect(await store.find(late.id)).toMatchObject({ status: 'failed', error: { code: 'job.not_started' } })
      expect((await store.find(early.id))?.status).toBe('processing')
      expect((await store.find(job.id))?.status).toBe('processing')
    })
  })
}
