import type { Job } from '../../jobs/job.ts'
import type { JobStore } from '../../jobs/job-store.ts'
import { ApiError } from '../errors/api-error.ts'

const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/

/** Undefined also for another key's job, so that ids can't be probed. */
export async function findOwn(jobs: JobStore, id: string, keyId: string): Promise<Job | undefined> {
  // Not every text may be asked of every database, and what others ask for may be in the same statement.
  if (!UUID.test(id)) return undefined
  const job = await jobs.find(id)
  return job?.keyId === keyId ? job : undefined
}

/** @throws ApiError 404 */
export async function requireOwn(jobs: JobStore, id: string, keyId: string): Promise<Job> {
  const job = await findOwn(jobs, id, keyId)
  if (job === undefined) throw notFound(id)
  return job
}

export function notFound(id: string): ApiError {
  return new ApiError(404, `There is no request ${id.slice(0, 100)}, or not of this API key.`)
}
