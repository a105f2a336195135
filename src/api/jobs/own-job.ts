import type { Job } from '../../jobs/job.ts'
import type { JobStore } from '../../jobs/job-store.ts'
import { ApiError } from '../errors/api-error.ts'

export const JOB_ID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/

/**
 * @param maxAgeMs as `JobStore.find` takes it
 * @throws ApiError 404, also for another key's job, so that ids can't be probed
 */
export async function findOwnJob(
  jobs: Pick<JobStore, 'find'>,
  id: string,
  keyId: string,
  maxAgeMs?: number,
): Promise<Job> {
  // Not every text may be asked of every database, and what others ask for may be in the same statement.
  if (!JOB_ID.test(id)) throw noSuchJob(id)
  const job = await jobs.find(id, maxAgeMs)
  if (job === undefined || job.keyId !== keyId) throw noSuchJob(id)
  return job
}

export function noSuchJob(id: string): ApiError {
  return new ApiError(404, `There is no request ${id.slice(0, 100)}, or not of this API key.`)
}
