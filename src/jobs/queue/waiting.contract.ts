import { describe, expect, test } from 'vitest'
import { submitted } from '../new-job.fixture.ts'
import { ERROR, EVERY_TIER, LIMITS, running } from '../running-job.fixture.ts'
import type { JobStoreFixture } from '../running-job.fixture.ts'

/** What a scheduler is told of the models that wait: a part of the contract of `JobStore`. */
export function describeWaiting(name: string, open: () => Promise<JobStoreFixture>): void {
  describe(`the models that wait, in ${name},`, () => {
    test('are all there, however many jobs of one of them come before the others', async () => {
      await using fixture = await open()
      const { store } = fixture
      for (let n = 0; n < 40; n++) await submitted(store, { model: 'a', priority: 'high' })
      await submitted(store, { model: 'b', priority: 'low' })
      expect(await store.waiting(EVERY_TIER.asked)).toMatchObject([{ model: 'a' }, { model: 'b' }])
    })

    test('say whether any of their jobs is short, and whether the process of the next one died', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { lease } = await running(store, { model: 'a' })
      await store.retry(lease, 'crash', ERROR, LIMITS)
      await submitted(store, { model: 'a', keyId: 'key-2', priority: 'low', audioSeconds: 30 })
      await submitted(store, { model: 'b' })
      expect(await store.waiting(EVERY_TIER.asked)).toMatchObject([
        { model: 'a', isExpress: false, isSuspect: true, hasExpress: true },
        { model: 'b', isExpress: false, isSuspect: false, hasExpress: false },
      ])
    })
  })
}
