import { JobStoreError } from '../../jobs/errors.ts'
import type { NewJob, Submitted } from '../../jobs/job-store.ts'
import type { ApiContext } from '../context.ts'

/**
 * Submits a job with a recording that was just there, by its key's own limits.
 * @throws JobStoreError `recording.gone` when it was removed meanwhile with the last job that had it, and not uploaded again; LimitError
 */
export async function submitRecording(
  given: Omit<NewJob, 'limits'>,
  { jobs, payloads, apiKeys }: Pick<ApiContext, 'jobs' | 'payloads' | 'apiKeys'>,
): Promise<Submitted> {
  const key = await apiKeys.find(given.keyId)
  const job: NewJob = key === undefined ? given : { ...given, limits: key.limits }
  try {
    return await jobs.submit(job)
  } catch (error) {
    if (!(error instanceof JobStoreError) || error.code !== 'recording.gone') throw error
    const isThere = async (): Promise<boolean> => (await payloads.size(job.payloadKey)) !== undefined
    if (!(await jobs.forgetRemoval(job.payloadKey, isThere))) throw error
    return await jobs.submit(job)
  }
}
