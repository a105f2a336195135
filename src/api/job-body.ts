import { text } from 'node:stream/consumers'
import type { Static } from 'typebox'
import { Check } from 'typebox/value'
import type { Job } from '../jobs/job.ts'
import type { PayloadStore } from '../payloads/store.ts'
import { TranscriptSchema } from '../transcript/result.ts'
import type { Transcript } from '../transcript/result.ts'
import type { JobSchema } from './schemas.ts'

type JobBody = Static<typeof JobSchema>

/** A job as the API shows it, without its result. */
export function jobSummary(job: Job): Omit<JobBody, 'result'> {
  return {
    id: job.id,
    model: job.model,
    status: job.status,
    serviceTier: job.serviceTier,
    servedTier: job.servedTier,
    acceptedAt: job.acceptedAt.toISOString(),
    startedAt: job.startedAt?.toISOString() ?? null,
    completedAt: job.completedAt?.toISOString() ?? null,
    ...(job.error === null ? {} : { error: job.error }),
  }
}

/** A job with its result, once there is one. */
export async function jobBody(job: Job, payloads: PayloadStore): Promise<JobBody> {
  const result = job.resultKey === null ? null : await readResult(job.resultKey, payloads)
  return { ...jobSummary(job), result }
}

export async function readResult(key: string, payloads: PayloadStore): Promise<Transcript> {
  const result: unknown = JSON.parse(await text(await payloads.read(key)))
  if (!Check(TranscriptSchema, result)) throw new Error(`the stored result ${key} is no transcript`)
  return result
}
