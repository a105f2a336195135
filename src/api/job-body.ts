import type { Static } from 'typebox'
import { isFinished } from '../jobs/job.ts'
import type { Job } from '../jobs/job.ts'
import type { ApiContext } from './context.ts'
import type { JobSchema } from './schemas.ts'

type JobBody = Static<typeof JobSchema>

/** A job as the API shows it, without its result and its place in the queue. */
export function jobSummary(job: Job, { settings }: Pick<ApiContext, 'settings'>): Omit<JobBody, 'result' | 'queue'> {
  return {
    id: job.id,
    model: job.model,
    status: job.status,
    serviceTier: job.serviceTier,
    servedTier: job.servedTier,
    priority: job.priority,
    audioSeconds: job.audioSeconds,
    doneSeconds: job.doneSeconds,
    acceptedAt: job.acceptedAt.toISOString(),
    startedAt: job.startedAt?.toISOString() ?? null,
    completedAt: job.completedAt?.toISOString() ?? null,
    expiresAt: expiryOf(job, settings.retentionMs)?.toISOString() ?? null,
    ...(job.error === null ? {} : { error: job.error }),
  }
}

/** Of finished jobs, which the store gives as the same object as long as nothing has changed. */
const finishedBodies = new WeakMap<Job, JobBody>()

/** A job with its place in the queue, and with its result once there is one. */
export async function jobBody(job: Job, context: Pick<ApiContext, 'results' | 'queue' | 'settings'>): Promise<JobBody> {
  const known = finishedBodies.get(job)
  if (known !== undefined) return known
  const result = job.resultKey === null ? null : await context.results.read(job.resultKey)
  const standing = await context.queue.standing(job)
  const body = { ...jobSummary(job, context), result, ...(standing === undefined ? {} : { queue: standing }) }
  if (isFinished(job.status)) finishedBodies.set(job, body)
  return body
}

function expiryOf({ expiresAt, completedAt }: Job, retentionMs: number | null): Date | null {
  if (expiresAt !== null || completedAt === null || retentionMs === null) return expiresAt
  return new Date(completedAt.getTime() + retentionMs)
}
