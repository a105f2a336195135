import { describe, expect, test } from 'vitest'
import type { JobStore, NewJob } from '../job-store.ts'
import { newJob, submitted } from '../new-job.fixture.ts'
import { ERROR, jobIn, running } from '../running-job.fixture.ts'
import type { JobStoreFixture } from '../running-job.fixture.ts'
import type { Database } from '../sql/dialect.ts'
import { sumUpUsage } from './sum-up.ts'
import { readUsage } from './usage.ts'
import type { Usage, UsageQuery } from './usage.ts'

const DAY_MS = 86_400_000

async function finished(store: JobStore, given: Partial<NewJob>, end: 'success' | 'failed'): Promise<string> {
  const { lease } = await running(store, given)
  if (end === 'success') await store.succeed(lease, 'results/1.json')
  else {
    await store.keepWindow(lease, 0, '{}', 30)
    await store.fail(lease, ERROR)
  }
  return lease.jobId
}

function read(database: Database, asked: Partial<UsageQuery> = {}, now?: Date): Promise<readonly Usage[]> {
  return readUsage(database, { by: 'day', days: 30, keyId: 'key-1', ...asked }, now)
}

const NONE = {
  jobs: 0,
  succeeded: 0,
  cancelled: 0,
  failed: 0,
  failures: {},
  audioSeconds: 0,
  runSeconds: expect.any(Number),
}

/** What keys have used: it is written where jobs are. */
export function describeUsage(name: string, open: () => Promise<JobStoreFixture>): void {
  describe(`${name}: usage`, () => {
    test('tells of finished jobs, and still when they are removed and when it was summed up, in any order', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const ids = [
        await finished(store, { model: 'a/one', audioSeconds: 60 }, 'success'),
        await finished(store, { model: 'a/one', audioSeconds: 40, urgent: true }, 'success'),
        await finished(store, { model: 'a/one', audioSeconds: 90 }, 'failed'),
        await finished(store, { model: 'a/two', audioSeconds: 30.5, keyId: 'key-2' }, 'success'),
      ]
      const waiting = await submitted(store, { model: 'a/two' })
      await submitted(store, { model: 'a/two' })
      await store.cancel(waiting.id)
      await store.cancel(waiting.id)
      const day = new Date().toISOString().slice(0, 10)
      const one = {
        ...{ ...NONE, day, model: 'a/one', jobs: 3, succeeded: 2, failed: 1 },
        ...{ failures: { 'engine.failed': 1 }, audioSeconds: 130 },
      }
      const two = { ...NONE, day, model: 'a/two', jobs: 1, cancelled: 1, runSeconds: 0 }
      const check = async (): Promise<void> => {
        expect(await read(database)).toEqual([one, two])
        const { day: _, ...total } = one
        expect(await read(database, { by: 'model', model: 'a/one' })).toEqual([total])
        const all = await read(database, { by: 'key', keyId: null })
        expect(all).toMatchObject([
          { keyId: 'key-1', jobs: 4, audioSeconds: 130 },
          { keyId: 'key-2', jobs: 1, audioSeconds: 30.5 },
        ])
      }
      await check()
      expect(await sumUpUsage(database)).toBe(5)
      await check()
      await store.remove(ids[0] ?? '')
      expect(await sumUpUsage(database)).toBe(0)
      await check()
      await finished(store, { model: 'a/one', audioSeconds: 10 }, 'success')
      expect(await read(database, { by: 'model', model: 'a/one' })).toMatchObject([{ jobs: 4, audioSeconds: 140 }])
      await sumUpUsage(database)
      expect(await read(database, { by: 'model', model: 'a/one' })).toMatchObject([{ jobs: 4, audioSeconds: 140 }])
      expect(await read(database, { keyId: 'key-3' })).toEqual([])
    })

    test('is of the day on which jobs finished, and of so many days', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      await jobIn(store, 'success')
      const now = Date.now()
      const today = new Date(now).toISOString().slice(0, 10)
      expect(await read(database, { days: 1 })).toMatchObject([{ day: today }])
      expect(await read(database, { days: 3 }, new Date(now + 2 * DAY_MS))).toMatchObject([{ day: today }])
      expect(await read(database, { days: 2 }, new Date(now + 2 * DAY_MS))).toEqual([])
    })

    test('is not of a transition that was rolled back, nor twice of one that was repeated', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const { lease } = await running(store)
      expect(await store.succeed(lease, 'results/1.json')).toBe(true)
      expect(await store.succeed(lease, 'results/1.json')).toBe(true)
      await expect(
        database.queries.transaction().execute(async (transaction) => {
          await transaction
            .updateTable('jobs')
            .set({ status: 'cancelled', completed_at: 1 })
            .where('status', '=', 'pending')
            .execute()
          throw new Error('rolled back')
        }),
      ).rejects.toThrow('rolled back')
      expect(await read(database)).toMatchObject([{ jobs: 1, succeeded: 1 }])
    })

    test('is summed up by several servers at once, each entry once', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const jobs = Array.from({ length: 60 }, (_, n) => newJob({ model: `a/${n % 3}`, audioSeconds: 1 }))
      await Promise.all(jobs.map((job) => store.submit(job)))
      await Promise.all(jobs.map(({ id }) => store.cancel(id)))
      const summed = await Promise.all(Array.from({ length: 4 }, () => sumUpUsage(database)))
      expect(summed.reduce((sum, each) => sum + each, 0)).toBe(60)
      expect(await read(database, { by: 'model' })).toMatchObject([{ jobs: 20 }, { jobs: 20 }, { jobs: 20 }])
    })
  })
}
