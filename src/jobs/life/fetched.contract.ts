import { describe, expect, test } from 'vitest'
import { submitted } from '../new-job.fixture.ts'
import { ERROR, EVERY_TIER, EXPRESS, LIMITS, claimed } from '../running-job.fixture.ts'
import type { JobStoreFixture } from '../running-job.fixture.ts'
import type { ClaimOptions, ClaimedJob, JobStore, NewJob } from '../job-store.ts'

const SOURCE = { sourceUrl: 'https://example.com/talk.mp3?signature=secret', audioSeconds: 60 }
const FETCHED = { payloadKey: 'uploads/fetched.mp3' }
const TO_FETCH = { ...EVERY_TIER, asked: ['fetch'], served: null } as const satisfies ClaimOptions

async function claimToFetch(store: JobStore): Promise<ClaimedJob> {
  const [claim] = await store.claim(TO_FETCH)
  if (claim === undefined) throw new Error('nothing to fetch')
  return claim
}

/** Jobs whose recording is elsewhere at first: a part of the contract of `JobStore`. */
export function describeFetched(name: string, open: () => Promise<JobStoreFixture>): void {
  describe(`${name}: a job whose recording is to be fetched`, () => {
    const remote = (store: JobStore, given: Partial<NewJob> = {}) => submitted(store, { ...SOURCE, ...given })

    test('is for whoever fetches, and for no engine until the recording is there', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { id } = await remote(store, { serviceTier: 'gpuflex' })
      expect(await store.claim(EVERY_TIER)).toEqual([])
      expect(await store.claim(EXPRESS)).toEqual([])
      expect(await store.waiting(['cpuflex', 'gpuflex'])).toEqual([])
      const { job, lease } = await claimToFetch(store)
      expect(job).toMatchObject({ id, ...SOURCE, status: 'processing', servedTier: 'gpuflex' })
      expect(await store.claim(TO_FETCH)).toEqual([])
      expect(await store.fetched(lease, { ...FETCHED, audioSeconds: 30 })).toBe(true)
      expect(await store.find(id)).toMatchObject({
        status: 'pending',
        sourceUrl: null,
        ...FETCHED,
        audioSeconds: 30,
        startedAt: null,
      })
      expect(await store.claim(TO_FETCH)).toEqual([])
      expect(await store.claim(EXPRESS)).toMatchObject([{ job: { id, sourceUrl: null } }])
    })

    test('is not fetched once more by a worker that lost its lease', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { id } = await remote(store)
      const { lease } = await claimToFetch(store)
      await store.release(lease)
      expect(await store.fetched(lease, { ...FETCHED, audioSeconds: 30 })).toBe(false)
      expect(await store.find(id)).toMatchObject({ status: 'pending', ...SOURCE })
      expect(await claimToFetch(store)).toMatchObject({ job: { id, ...SOURCE } })
    })

    test('has its errors forgotten when the recording has come', async () => {
      await using fixture = await open()
      const { store } = fixture
      await remote(store)
      const first = await claimToFetch(store)
      expect(await store.retry(first.lease, 'error', ERROR, LIMITS)).toBe('pending')
      const second = await claimToFetch(store)
      expect(second.job).toMatchObject({ failures: 1, ...SOURCE })
      await store.fetched(second.lease, { ...FETCHED, audioSeconds: 30 })
      expect((await claimed(store)).job).toMatchObject({ failures: 0, crashes: 0 })
    })

    test('is cancelled when that was asked for meanwhile', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { id } = await remote(store)
      const { lease } = await claimToFetch(store)
      await store.cancel(id)
      expect(await store.fetched(lease, { ...FETCHED, audioSeconds: 30 })).toBe(true)
      expect(await store.find(id)).toMatchObject({ status: 'cancelled' })
    })

    test('keeps where it is to be fetched from when it fails, so that it can be submitted again', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { id } = await remote(store)
      const { lease } = await claimToFetch(store)
      await store.fail(lease, ERROR)
      expect(await store.find(id)).toMatchObject({ status: 'failed', ...SOURCE })
    })

    test('stands in the line of its true length, behind what its key had submitted before', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { id: before } = await submitted(store, { audioSeconds: 5000 })
      const { id } = await remote(store)
      const { id: short } = await submitted(store, { audioSeconds: 10 })
      const { id: others } = await submitted(store, { keyId: 'key-2', audioSeconds: 5000 })
      const { lease } = await claimToFetch(store)
      await store.fetched(lease, { ...FETCHED, audioSeconds: 5000 })
      const all = await store.claim({ ...EVERY_TIER, atMost: { ordinary: 10, express: 0 } })
      expect(all.map(({ job }) => job.id)).toEqual([short, before, others, id])
    })

    test('counts for the day of its key by what it turns out to have', async () => {
      await using fixture = await open()
      const store = await fixture.connect({
        limits: { queuedJobs: null, runningJobs: null, audioSecondsPerDay: 1000 },
      })
      await remote(store)
      await submitted(store, { audioSeconds: 940 })
      await expect(submitted(store, { audioSeconds: 1 })).rejects.toMatchObject({ code: 'limit.reached' })
      const { lease } = await claimToFetch(store)
      await store.fetched(lease, { ...FETCHED, audioSeconds: 10 })
      await submitted(store, { audioSeconds: 50 })
    })

    test('is one of a few of its key at a time, and takes none of its places to run', async () => {
      await using fixture = await open()
      const store = await fixture.connect({ limits: { queuedJobs: null, runningJobs: 2, audioSecondsPerDay: null } })
      const most = { ordinary: 100, express: 0 }
      for (let n = 0; n < 5; n++) await remote(store)
      await remote(store, { keyId: 'key-2' })
      expect(await store.claim({ ...TO_FETCH, atMost: most })).toHaveLength(3)
      for (let n = 0; n < 3; n++) await submitted(store)
      expect(await store.claim({ ...EVERY_TIER, atMost: most })).toHaveLength(2)
      // Without a limit of running jobs there is one all the same.
      const unlimited = fixture.store
      for (let n = 0; n < 20; n++) await remote(unlimited, { keyId: 'key-3' })
      const fetching = await unlimited.claim({ ...TO_FETCH, atMost: most })
      expect(fetching.filter(({ job }) => job.keyId === 'key-3')).toHaveLength(8)
    })
  })
}
