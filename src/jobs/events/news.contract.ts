import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { Job } from '../job.ts'
import type { Verb } from '../life/life.contract.ts'
import { newJob, submitted } from '../new-job.fixture.ts'
import { ERROR, EVERY_TIER, LIMITS, claimed, running } from '../running-job.fixture.ts'
import type { JobStoreFixture } from '../running-job.fixture.ts'
import type { JobStore } from '../job-store.ts'

const FETCHED = { payloadKey: 'uploads/fetched.mp3', audioSeconds: 30 }

/** All news of a job, in order. */
function recorded(store: JobStore, id: string): readonly string[] {
  const news: string[] = []
  store.on('claimable', () => news.push('claimable'))
  store.onJob('cancelRequested', id, () => news.push('cancelRequested'))
  store.onJob('finished', id, () => news.push('finished'))
  return news
}

/** What a store tells its listeners: a part of the contract of `JobStore`. */
export function describeNews(name: string, open: () => Promise<JobStoreFixture>): void {
  describe(`${name}: news`, () => {
    test('tell of what was committed, once', async () => {
      await using fixture = await open()
      const { store } = fixture
      const job = newJob()
      const news = recorded(store, job.id)
      const { id } = await submitted(store, job)
      const { lease } = await claimed(store)
      await store.heartbeat(lease, 1000)
      await store.cancel(id)
      await store.settleCancelled(lease)
      await store.settleCancelled(lease)
      await store.cancel(id)
      await setImmediate()
      expect(news).toEqual(['claimable', 'cancelRequested', 'finished'])
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
    test.each(ends)('%s', async (_, run, told) => {
      await using fixture = await open()
      const { store } = fixture
      const { lease } = await running(store, {}, 0)
      await setImmediate()
      const news = recorded(store, lease.jobId)
      await run(store, lease)
      await setImmediate()
      expect(news).toEqual([told])
    })

    test('a job that waits is cancelled with `finished`', async () => {
      await using fixture = await open()
      const { id } = await submitted(fixture.store)
      await setImmediate()
      const news = recorded(fixture.store, id)
      await fixture.store.cancel(id)
      await setImmediate()
      expect(news).toEqual(['finished'])
    })

    test('a listener finds the row as the news says', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { lease } = await running(store)
      const found = Promise.withResolvers<Job | undefined>()
      store.onJob('finished', lease.jobId, () => found.resolve(store.find(lease.jobId)))
      await store.succeed(lease, 'results/1.json')
      expect((await found.promise)?.status).toBe('success')
    })

    test('of another job are for others', async () => {
      await using fixture = await open()
      const { store } = fixture
      const other = await submitted(store)
      const { id } = await submitted(store)
      const news = recorded(store, id)
      await store.cancel(other.id)
      await setImmediate()
      expect(news).toEqual([])
    })

    const told: readonly (readonly [string, Verb])[] = [
      ['submit', (store) => submitted(store)],
      ['claim', (store) => store.claim(EVERY_TIER)],
      ['keepWindow', (store, lease) => store.keepWindow(lease, 0, '{}', 30)],
      ['noteWeights', (store, lease) => store.noteWeights(lease, { receivedBytes: 1, totalBytes: 1 })],
      ['noteFetch', (store, lease) => store.noteFetch(lease, { receivedBytes: 1 })],
      ['fetched', (store, lease) => store.fetched(lease, FETCHED)],
      ['release', (store, lease) => store.release(lease)],
      ['cancel', (store, lease) => store.cancel(lease.jobId)],
      ['succeed', (store, lease) => store.succeed(lease, 'results/1.json')],
    ]
    test.each(told)('tell of a history that has more when it is there: %s', async (_, run) => {
      await using fixture = await open()
      const { store } = fixture
      const { lease } = await running(store)
      await submitted(store)
      await setImmediate()
      const before = (await store.eventsOfKey('key-1', 0, 100)).length
      const found = Promise.withResolvers<number>()
      store.on('history', () => found.resolve(store.eventsOfKey('key-1', 0, 100).then(({ length }) => length)))
      await run(store, lease)
      expect(await found.promise).toBe(before + 1)
    })

    test('a listener that was disposed hears nothing', async () => {
      await using fixture = await open()
      let heard = 0
      const job = await submitted(fixture.store)
      const listeners = [
        fixture.store.on('claimable', () => (heard += 1)),
        fixture.store.onJob('finished', job.id, () => (heard += 1)),
      ]
      await fixture.store.submit(newJob())
      await setImmediate()
      for (const listener of listeners) listener[Symbol.dispose]()
      await fixture.store.submit(newJob())
      await fixture.store.cancel(job.id)
      await setImmediate()
      expect(heard).toBe(1)
    })
  })
}
