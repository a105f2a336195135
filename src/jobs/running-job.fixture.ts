import { expect } from 'vitest'
import type { Database } from './sql/dialect.ts'
import type { JobError, JobStatus } from './job.ts'
import { EVERY_TIER, newJob } from './new-job.fixture.ts'
import type { ClaimOptions, ClaimedJob, JobStore, JobStoreOptions, Lease, NewJob } from './job-store.ts'

export interface JobStoreFixture extends AsyncDisposable {
  readonly store: JobStore
  readonly database: Database
  /** Another store on the same database, by a connection of its own, as another process has it. */
  readonly connect: (options?: Partial<JobStoreOptions>) => Promise<JobStore>
}

export const LIMITS = { failures: 2, crashes: 2 }
export const ERROR: JobError = { code: 'engine.failed', message: 'The engine failed.' }
export { EVERY_TIER }
/** Beyond the ordinary places. */
export const EXPRESS = { ...EVERY_TIER, atMost: { ordinary: 0, express: 1 } } as const satisfies ClaimOptions

export async function claimed(store: JobStore, leaseMs = 60_000): Promise<ClaimedJob> {
  const [claim] = await store.claim({ ...EVERY_TIER, leaseMs })
  if (claim === undefined) throw new Error('nothing to claim')
  return claim
}

/** Submits a job and runs it. */
export async function running(store: JobStore, given: Partial<NewJob> = {}, leaseMs?: number): Promise<ClaimedJob> {
  const job = newJob(given)
  await store.submit(job)
  const claim = await claimed(store, leaseMs)
  expect(claim.job.id).toBe(job.id)
  return claim
}

/** Brings a job to a status, with the lease that it has, had or never had. */
export async function jobIn(store: JobStore, status: JobStatus): Promise<Lease> {
  const { lease } = await running(store)
  if (status === 'pending') await store.release(lease)
  if (status === 'success') await store.succeed(lease, 'results/1.json')
  if (status === 'failed') await store.fail(lease, ERROR)
  if (status === 'cancelled') {
    await store.cancel(lease.jobId)
    await store.settleCancelled(lease)
  }
  expect((await store.find(lease.jobId))?.status).toBe(status)
  return lease
}
