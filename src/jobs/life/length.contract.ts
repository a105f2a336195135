import { describe, expect, test } from 'vitest'
import { submitted } from '../new-job.fixture.ts'
import { EVERY_TIER, EXPRESS, claimed, running } from '../running-job.fixture.ts'
import type { JobStoreFixture } from '../running-job.fixture.ts'
import type { JobStore } from '../job-store.ts'

/** All that can be claimed, in order. */
async function claimAll(store: JobStore): Promise<readonly string[]> {
  const all = await store.claim({ ...EVERY_TIER, atMost: { ordinary: 1000, express: 0 } })
  return all.map(({ job }) => job.id)
}

/** What follows when a recording turns out to have another length than its header said: a part of the contract of `JobStore`. */
export function describeTrueLength(name: string, open: () => Promise<JobStoreFixture>): void {
  describe(`${name}: the true length of a running job`, () => {
    test('is what polls see at once, and what is done when it has succeeded', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { job, lease } = await running(store, { audioSeconds: 17.4 })
      expect((await store.find(job.id))?.audioSeconds).toBe(17.4)
      expect(await store.correctLength(lease, 9.45)).toBe(true)
      expect(await store.find(job.id)).toMatchObject({ audioSeconds: 9.45, status: 'processing', attempt: 1 })
      await store.succeed(lease, 'results/1.json')
      expect(await store.find(job.id)).toMatchObject({ audioSeconds: 9.45, doneSeconds: 9.45 })
    })

    test('is written by its worker alone', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { job, lease } = await running(store, { audioSeconds: 1 })
      await store.release(lease)
      expect(await store.correctLength(lease, 600)).toBe(false)
      expect((await store.find(job.id))?.audioSeconds).toBe(1)
    })

    test('counts for the day of its key, more or less than was said', async () => {
      await using fixture = await open()
      const limits = { queuedJobs: null, runningJobs: null, audioSecondsPerDay: 1000 }
      const store = await fixture.connect({ limits })
      // As a worker has it, which need not know the limit.
      const worker = fixture.store
      const { lease } = await running(worker, { keyId: 'other' })
      expect(await worker.correctLength(lease, 5000)).toBe(true)
      await submitted(store, { audioSeconds: 1 })
      const lying = await claimed(worker)
      await worker.correctLength(lying.lease, 1200)
      await expect(submitted(store, { audioSeconds: 1 })).rejects.toMatchObject({ code: 'limit.reached' })
      await worker.correctLength(lying.lease, 400)
      await submitted(store, { audioSeconds: 600 })
      await expect(submitted(store, { audioSeconds: 1 })).rejects.toMatchObject({ code: 'limit.reached' })
    })

    test('takes it out of the express lane when it is given back, and into it', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { job, lease } = await running(store, { audioSeconds: 1 })
      await store.correctLength(lease, 600)
      await store.release(lease)
      expect(await store.claim(EXPRESS)).toEqual([])
      const again = await claimed(store)
      expect(again.job).toMatchObject({ id: job.id, audioSeconds: 600, failures: 0, crashes: 0 })
      await store.correctLength(again.lease, 30)
      await store.release(again.lease)
      expect(await store.claim(EXPRESS)).toMatchObject([{ job: { id: job.id } }])
    })

    test('leaves a job that a client holds its connection open for before all others', async () => {
      await using fixture = await open()
      const { store } = fixture
      await submitted(store, { audioSeconds: 1 })
      const { lease, job } = await running(store, { audioSeconds: 60, urgent: true })
      await store.correctLength(lease, 61)
      await store.release(lease)
      expect(await store.claim(EXPRESS)).toMatchObject([{ job: { id: job.id } }])
    })

    test('puts the jobs behind it where they were if it had told the truth', async () => {
      await using fixture = await open()
      const { store } = fixture
      const liar: string[] = []
      for (let n = 0; n < 4; n++) liar.push((await submitted(store, { keyId: 'liar', audioSeconds: 1 })).id)
      const first = await claimed(store)
      expect(first.job.id).toBe(liar[0])
      const honest: string[] = []
      for (let n = 0; n < 4; n++) honest.push((await submitted(store, { keyId: 'honest', audioSeconds: 40 })).id)
      await store.correctLength(first.lease, 600)
      expect(await claimAll(store)).toEqual([...honest, ...liar.slice(1)])
    })

    test('counts for what is submitted while it runs', async () => {
      await using fixture = await open()
      const { store } = fixture
      const first = await running(store, { keyId: 'liar', audioSeconds: 1 })
      await store.correctLength(first.lease, 600)
      const { id: honest } = await submitted(store, { keyId: 'honest', audioSeconds: 40 })
      const { id: late } = await submitted(store, { keyId: 'liar', audioSeconds: 1 })
      expect(await claimAll(store)).toEqual([honest, late])
    })

    test('is no reason to move others when a guess was off by half', async () => {
      await using fixture = await open()
      const { store } = fixture
      const ids: string[] = []
      for (let n = 0; n < 3; n++) ids.push((await submitted(store, { keyId: 'guessed', audioSeconds: 20 })).id)
      const { lease } = await claimed(store)
      const { id: other } = await submitted(store, { keyId: 'other', audioSeconds: 50 })
      await store.correctLength(lease, 40)
      expect(await claimAll(store)).toEqual([...ids.slice(1), other])
    })
  })
}
