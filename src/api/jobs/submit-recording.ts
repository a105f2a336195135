import { JobStoreError } from '../../jobs/errors.ts'
import type { NewJob, Submitted } from '../../jobs/job-store.ts'
import type { ApiContext } from '../context.ts'

/**
 * Submits a job with a recording that was just there.
 * @throws JobStoreError `recording.gone` when it was removed meanwhile with the last job that had it, and not uploaded again; LimitError
 */
export async function submitRecording(
  job: NewJob,
  { jobs, payloads }: Pick<ApiContext, 'jobs' | 'payloads'>,
): Promise<Submitted> {
  try {
    return await jobs.submit(job)
  } catch (error) {
    if (!(error instanceof JobStoreError) || error.code !== 'recording.gone') throw error
    const isThere = async (): Promise<boolean> => (await payloads.size(job.payloadKey)) !== undefined
    if (!(await jobs.forgetRemoval(job.payloadKey, isThere))) throw error
    return await jobs.submit(job)
  }
}
