import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { Job } from './job.ts'
import type { Verb } from './life.contract.ts'
import { newJob, submitted } from './new-job.fixture.ts'
import { ERROR, LIMITS, claimed, running } from './running-job.fixture.ts'
import type { JobStoreFixture } from './running-job.fixture.ts'
import type { JobStore } from './store.ts'

/** Everything that happened, in order. */
function recorded(store: JobStore): readonly string[] {
  const events: string[] = []
  store.on('claimable', () => events.push('claimable'))
  store.on('cancelRequested', (id) => events.push(`cancelRequested ${id}`))
  store.on('finished', (id) => events.push(`finished ${id}`))
  return events
}

/** What a store tells its listeners: a part of the contract of `JobStore`. */
export function describeEvents(name: string, open: () => Promise<JobStoreFixture>): void {
  describe(`${name}: events`, () => {
    test('tell of what was committed, once', async () => {
      await using fixture = await open()
      const { store } = fixture
      const events = recorded(store)
      const { id } = await submitted(store)
      const { lease } = await claimed(store)
      await store.heartbeat(lease, 1000)
      await store.cancel(id)
      await store.settleCancelled(lease)
      await store.settleCancelled(lease)
      await store.cancel(id)
      await setImmediate()
      expect(events).toEqual(['claimable', `cancelRequested ${id}`, `finished ${id}`])
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
      const { id } = await submitted(fixture.store)
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
