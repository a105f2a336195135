import type { Job } from '../../jobs/job.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/api-error.ts'

export const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/

/**
 * A job of this key's.
 * @throws ApiError 404, also for another key's job, so that ids can't be probed
 */
export async function findOwnJob(id: string, keyId: string, { jobs }: Pick<ApiContext, 'jobs'>): Promise<Job> {
  // Not every text may be asked of every database, and what others ask for may be in the same statement.
  if (!UUID.test(id)) throw noJob(id)
  const job = await jobs.find(id)
  if (job === undefined || job.keyId !== keyId) throw noJob(id)
  return job
}

export function noJob(id: string): ApiError {
  return new ApiError(404, `There is no request ${id.slice(0, 100)}, or not of this API key.`)
}
