import { randomUUID } from 'node:crypto'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { newJob, submitted } from '../new-job.fixture.ts'
import { MAX_URGENT_IN_A_ROW } from './queue-order.ts'
import { QueueView } from './queue-view.ts'
import { ERROR, EVERY_TIER, EXPRESS, LIMITS, claimed, running } from '../running-job.fixture.ts'
import type { JobStoreFixture } from '../running-job.fixture.ts'
import type { ClaimOptions, JobStore, NewJob } from '../job-store.ts'
import { WorkerRegistry } from './worker-registry.ts'

const LONG = 10_800

/** Submits, in order. */
async function queued(store: JobStore, jobs: readonly Partial<NewJob>[]): Promise<readonly string[]> {
  const ids: string[] = []
  for (const job of jobs) ids.push((await submitted(store, job)).id)
  return ids
}

async function next(store: JobStore, options: Partial<ClaimOptions> = {}): Promise<string | undefined> {
  return (await store.claim({ ...EVERY_TIER, ...options }))[0]?.job.id
}

/** In which order waiting jobs are claimed: a part of the contract of `JobStore`. */
export function describeQueue(name: string, open: () => Promise<JobStoreFixture>): void {
  describe(`${name}: fair claims`, () => {
    test('a voice note comes before fifty long files, whoever submitted them', async () => {
      await using fixture = await open()
      const { store } = fixture
      await queued(
        store,
        Array.from({ length: 50 }, () => ({ keyId: 'a', audioSeconds: LONG })),
      )
      const [own, other] = await queued(store, [
        { keyId: 'a', audioSeconds: 10 },
        { keyId: 'b', audioSeconds: 10 },
      ])
      expect(new Set([await next(store), await next(store)])).toEqual(new Set([own, other]))
    })

    test('keys take turns, whether their jobs come one by one or all at once', async () => {
      await using fixture = await open()
      const { store } = fixture
      const many = Array.from({ length: 20 }, () => newJob({ keyId: 'a', audioSeconds: 100 }))
      await Promise.all(many.map((job) => store.submit(job)))
      const [b] = await queued(store, [{ keyId: 'b', audioSeconds: 100 }])
      expect([await next(store), await next(store)]).toContain(b)
    })

    test('a key that comes later begins where the others are, not before them', async () => {
      await using fixture = await open()
      const { store } = fixture
      await queued(
        store,
        Array.from({ length: 40 }, () => ({ keyId: 'a', audioSeconds: 100 })),
      )
      for (let n = 0; n < 20; n++) await next(store)
      const late = await queued(
        store,
        Array.from({ length: 20 }, () => ({ keyId: 'b', audioSeconds: 100 })),
      )
      const first: (string | undefined)[] = []
      for (let n = 0; n < 10; n++) first.push(await next(store))
      const ofLate = first.filter((id) => late.includes(id ?? '')).length
      expect(ofLate).toBeGreaterThanOrEqual(4)
      expect(ofLate).toBeLessThanOrEqual(6)
    })

    test('priorities are kept', async () => {
      await using fixture = await open()
      const { store } = fixture
      const [low, normal, high] = await queued(store, [
        { priority: 'low' },
        { priority: 'normal' },
        { priority: 'high' },
      ])
      expect([await next(store), await next(store), await next(store)]).toEqual([high, normal, low])
    })

    test('express claims take short recordings alone', async () => {
      await using fixture = await open()
      const { store } = fixture
      const [long, short] = await queued(store, [
        { audioSeconds: LONG, priority: 'high' },
        { audioSeconds: 10, priority: 'low' },
      ])
      expect(await next(store, EXPRESS)).toBe(short)
      expect(await next(store, EXPRESS)).toBeUndefined()
      expect(await next(store)).toBe(long)
    })

    test('of urgent jobs, one key’s many do not come before another one’s first', async () => {
      await using fixture = await open()
      const { store } = fixture
      const many = Array.from({ length: 20 }, () => newJob({ keyId: 'a', audioSeconds: 60, urgent: true }))
      await Promise.all(many.map((job) => store.submit(job)))
      const [waiting] = await queued(store, [{ keyId: 'c', audioSeconds: 60 }])
      const [other] = await queued(store, [{ keyId: 'b', audioSeconds: 60, urgent: true }])
      expect([await next(store), await next(store)]).toContain(other)
      expect(await next(store)).not.toBe(waiting)
    })

    test('an urgent job lets another one pass when so many of them were taken before', async () => {
      await using fixture = await open()
      const { store } = fixture
      const [urgent, long, short] = await queued(store, [
        { urgent: true },
        { audioSeconds: LONG },
        { audioSeconds: 10 },
      ])
      const urgentInARow = MAX_URGENT_IN_A_ROW
      expect(await next(store, { ...EXPRESS, urgentInARow })).toBe(short)
      expect(await next(store, { urgentInARow })).toBe(long)
      expect(await next(store, { urgentInARow })).toBe(urgent)
    })

    test('take only the models that were asked for', async () => {
      await using fixture = await open()
      const { store } = fixture
      const [, other] = await queued(store, [{ model: 'openai/whisper-tiny' }, { model: 'openai/whisper-small' }])
      const one = { ordinary: 1, express: 0 }
      expect(await next(store, { places: new Map([['openai/whisper-medium', one]]) })).toBeUndefined()
      expect(await next(store, { places: new Map() })).toBeUndefined()
      const places = new Map(['openai/whisper-medium', 'openai/whisper-small'].map((model) => [model, one]))
      expect(await next(store, { places })).toBe(other)
    })

    test('leave a key’s jobs waiting that has as many running as it may have', async () => {
      await using fixture = await open()
      const store = await fixture.connect({ limits: { queuedJobs: null, runningJobs: 1, audioSecondsPerDay: null } })
      const [first, second, third] = await queued(store, [{ keyId: 'a' }, { keyId: 'a' }, { keyId: 'b' }])
      const claim = await claimed(store)
      expect([claim.job.id, await next(store), await next(store)]).toEqual([first, third, undefined])
      await store.succeed(claim.lease, 'results/1.json')
      expect(await next(store)).toBe(second)
    })

    test('a job that was released with a pause waits for it', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { lease } = await running(store)
      await store.release(lease, 3_600_000)
      expect(await next(store)).toBeUndefined()
    })

    test('a job that failed waits for its pause, and the others do not', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { job, lease } = await running(store)
      const [other] = await queued(store, [{}])
      expect(await store.retry(lease, 'error', ERROR, LIMITS, 3_600_000)).toBe('pending')
      expect([await next(store), await next(store)]).toEqual([other, undefined])
      expect((await store.find(job.id))?.status).toBe('pending')
    })

    test('a job that failed is claimed again when its pause is over', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { job, lease } = await running(store)
      await store.retry(lease, 'error', ERROR, LIMITS, 50)
      await expect.poll(() => next(store), { interval: 10 }).toBe(job.id)
    })
  })

  describe(`${name}: place in the queue`, () => {
    const worker = {
      id: randomUUID(),
      served: 'cpuflex',
      asked: ['cpuflex', 'gpuflex'],
      models: null,
      places: 1,
      speeds: { 'sotto/whisper-demo': 10 },
    } as const

    test('says how many are before a job, and when its transcript will be there', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const workers = new WorkerRegistry(database)
      await workers.announce(worker)
      const { job } = await running(store, { audioSeconds: 1000 })
      const [first = '', second = ''] = await queued(store, [{ audioSeconds: 100 }, { audioSeconds: 200 }])
      const view = new QueueView(database, workers)
      const seconds = async (id: string, status: 'pending' | 'processing') => {
        const { position, etaSeconds } = (await view.positionOf({ id, status })) ?? {}
        return [position, Math.round(etaSeconds ?? -1)]
      }
      expect(await seconds(job.id, 'processing')).toEqual([0, 100])
      expect(await seconds(first, 'pending')).toEqual([1, 110])
      expect(await seconds(second, 'pending')).toEqual([2, 130])
      expect(await view.positionOf({ id: job.id, status: 'success' })).toBeUndefined()
    })

    test('counts no jobs that other workers take', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const workers = new WorkerRegistry(database)
      const others = { speeds: {}, asked: ['cpuflex'] } as const
      await workers.announce({ ...worker, ...others, models: ['sotto/whisper-demo'] })
      await workers.announce({ ...worker, ...others, id: randomUUID(), models: ['openai/whisper-tiny'] })
      const [, , id = ''] = await queued(store, [{}, {}, { model: 'openai/whisper-tiny' }])
      const place = await new QueueView(database, workers).positionOf({ id, status: 'pending' })
      expect(place).toEqual({ position: 1, etaSeconds: null })
    })

    test('counts what has been transcribed already', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const workers = new WorkerRegistry(database)
      await workers.announce(worker)
      const { job, lease } = await running(store, { audioSeconds: 1000 })
      await store.keepWindow(lease, 0, '{}', 900)
      const place = await new QueueView(database, workers).positionOf({ id: job.id, status: 'processing' })
      expect(Math.round(place?.etaSeconds ?? -1)).toBe(10)
    })

    test('a running job goes on between its windows, and not beyond the one that is under way', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const workers = new WorkerRegistry(database)
      // A window takes a tenth of a second.
      await workers.announce({ ...worker, speeds: { 'sotto/whisper-demo': 300 } })
      const { job, lease } = await running(store, { audioSeconds: 90 })
      await store.keepWindow(lease, 0, '{}', 30)
      const view = new QueueView(database, workers)
      const leftMs = async (): Promise<number> =>
        Math.round(1000 * ((await view.positionOf({ id: job.id, status: 'processing' }))?.etaSeconds ?? -1))
      expect(await leftMs()).toBeGreaterThan(100)
      // A look only ages until it is a second old, and then another one is taken.
      await expect.poll(leftMs, { interval: 20 }).toBe(0)
      let newer = 0
      await expect.poll(async () => (newer = await leftMs()), { interval: 20 }).toBeGreaterThan(0)
      expect(newer).toBeLessThanOrEqual(100)
    })

    describe('by a clock', () => {
      afterEach(() => void vi.useRealTimers())

      /** Its clock goes on when the test says so. */
      async function clocked(fixture: JobStoreFixture, ...speeds: readonly number[]) {
        const workers = new WorkerRegistry(fixture.database)
        for (const speed of speeds) {
          await workers.announce({ ...worker, id: randomUUID(), speeds: { 'sotto/whisper-demo': speed } })
        }
        vi.useFakeTimers({ toFake: ['performance'] })
        const view = new QueueView(fixture.database, workers)
        return {
          ...{ workers, view },
          etaAfter: async (ms: number, id: string): Promise<number> => {
            vi.advanceTimersByTime(ms)
            return (await view.positionOf({ id, status: 'processing' }))?.etaSeconds ?? -1
          },
        }
      }

      test('a job that has just begun has all of its time before it, and then less by what has passed', async () => {
        await using fixture = await open()
        const { store } = fixture
        const { job, lease } = await running(store, { audioSeconds: 1000 })
        const { etaAfter } = await clocked(fixture, 10)
        expect(await etaAfter(0, job.id)).toBe(100)
        expect(await etaAfter(500, job.id)).toBeCloseTo(99.5, 3)
        expect(await etaAfter(1500, job.id)).toBeCloseTo(98, 3)
        // A window of 30 s takes three seconds, and one takes longer.
        expect(await etaAfter(10_000, job.id)).toBeCloseTo(97, 3)
        await store.keepWindow(lease, 0, '{}', 30)
        expect(await etaAfter(1000, job.id)).toBeCloseTo(97, 3)
        expect(await etaAfter(2000, job.id)).toBeCloseTo(95, 3)
      })

      test('jobs that share a worker go on by what each of them gets', async () => {
        await using fixture = await open()
        const { store } = fixture
        const { job } = await running(store, { audioSeconds: 1000 })
        await running(store, { audioSeconds: 1000 })
        const { etaAfter } = await clocked(fixture, 10)
        expect(await etaAfter(0, job.id)).toBe(200)
        expect(await etaAfter(2000, job.id)).toBeCloseTo(198, 3)
      })

      test('a job has no more than one of the workers', async () => {
        await using fixture = await open()
        const { job } = await running(fixture.store, { audioSeconds: 1000 })
        const { etaAfter } = await clocked(fixture, 10, 10)
        expect(await etaAfter(0, job.id)).toBe(100)
        expect(await etaAfter(2000, job.id)).toBeCloseTo(98, 3)
      })

      test('a job that ought to have ended is about to', async () => {
        await using fixture = await open()
        const { job } = await running(fixture.store, { audioSeconds: 20 })
        const { etaAfter } = await clocked(fixture, 100)
        expect(await etaAfter(0, job.id)).toBeCloseTo(0.2, 3)
        expect(await etaAfter(900, job.id)).toBe(0)
        expect(await etaAfter(900, job.id)).toBe(0)
      })

      test('a look is taken again for a job that has come since, but not for each', async () => {
        await using fixture = await open()
        const { store } = fixture
        const { view, etaAfter } = await clocked(fixture, 10)
        const [first = ''] = await queued(store, [{}])
        expect(await etaAfter(0, first)).toBeGreaterThan(0)
        const [id = ''] = await queued(store, [{}])
        vi.advanceTimersByTime(99)
        expect(await view.positionOf({ id, status: 'pending' })).toBeUndefined()
        vi.advanceTimersByTime(1)
        expect(await view.positionOf({ id, status: 'pending' })).toMatchObject({ position: 2 })
        await store.cancel(first)
        vi.advanceTimersByTime(999)
        expect(await view.positionOf({ id, status: 'pending' })).toMatchObject({ position: 2 })
        vi.advanceTimersByTime(1)
        expect(await view.positionOf({ id, status: 'pending' })).toMatchObject({ position: 1 })
      })

      test('a job that has begun, or waits again, since the last look is not told to stand where it stood', async () => {
        await using fixture = await open()
        const { store } = fixture
        const { view } = await clocked(fixture, 10)
        const [id = ''] = await queued(store, [{}])
        expect(await view.positionOf({ id, status: 'pending' })).toMatchObject({ position: 1 })
        const { lease } = await claimed(store)
        expect(await view.positionOf({ id, status: 'processing' })).toMatchObject({ position: 0 })
        vi.advanceTimersByTime(100)
        expect(await view.positionOf({ id, status: 'processing' })).toMatchObject({ position: 0 })
        await store.release(lease)
        expect(await view.positionOf({ id, status: 'pending' })).toBeUndefined()
        vi.advanceTimersByTime(100)
        expect(await view.positionOf({ id, status: 'pending' })).toMatchObject({ position: 1 })
      })

      test('a look that failed is taken again by who asks next', async () => {
        await using fixture = await open()
        const { workers, view } = await clocked(fixture, 10)
        const [id = ''] = await queued(fixture.store, [{}])
        vi.spyOn(workers, 'list').mockRejectedValueOnce(new Error('the database is away'))
        await expect(view.positionOf({ id, status: 'pending' })).rejects.toThrow('the database is away')
        expect(await view.positionOf({ id, status: 'pending' })).toMatchObject({ position: 1 })
      })
    })

    test('is that of claiming, for what waits for its pause too', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const { job, lease } = await running(store)
      const [second = '', short = ''] = await queued(store, [{}, { audioSeconds: 10 }])
      await store.release(lease, 3_600_000)
      const view = new QueueView(database, new WorkerRegistry(database))
      const places = [job.id, short, second].map(
        async (id) => (await view.positionOf({ id, status: 'pending' }))?.position,
      )
      expect(await Promise.all(places)).toEqual([1, 2, 3])
    })

    test('has no forecast while no worker is there, or none that takes such jobs', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const workers = new WorkerRegistry(database)
      const [id = ''] = await queued(store, [{}])
      const place = () => new QueueView(database, workers).positionOf({ id, status: 'pending' })
      expect(await place()).toEqual({ position: 1, etaSeconds: null })
      await workers.announce({ ...worker, models: ['openai/whisper-tiny'] })
      expect(await place()).toEqual({ position: 1, etaSeconds: null })
      await workers.announce(worker)
      expect(await place()).toMatchObject({ position: 1, etaSeconds: expect.any(Number) })
      await workers.withdraw(worker.id)
      expect(await workers.list()).toEqual([])
    })

    test('a worker that has not been heard of for long is gone, and forgotten by the next one', async () => {
      await using fixture = await open()
      const { queries } = fixture.database
      const workers = new WorkerRegistry(fixture.database)
      await workers.announce(worker)
      await queries.updateTable('workers').set({ seen_at: 0 }).execute()
      expect(await workers.list()).toEqual([])
      const other = { ...worker, id: randomUUID() }
      await workers.announce(other)
      expect(await workers.list()).toEqual([other])
      expect(await queries.selectFrom('workers').select('id').execute()).toEqual([{ id: other.id }])
    })

    test('adds up what waits and what runs', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      await running(store, { audioSeconds: 50 })
      await queued(store, [{ audioSeconds: 100 }, { audioSeconds: 200 }])
      const totals = await new QueueView(database, new WorkerRegistry(database)).totals()
      const of = { model: 'sotto/whisper-demo', serviceTier: 'cpuflex' }
      expect(totals).toHaveLength(2)
      expect(totals).toContainEqual({ ...of, status: 'pending', jobs: 2, audioSeconds: 300 })
      expect(totals).toContainEqual({ ...of, status: 'processing', jobs: 1, audioSeconds: 50 })
    })
  })
}
