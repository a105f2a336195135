import type { Static } from 'typebox'
import { isFinished } from '../jobs/job.ts'
import type { Job } from '../jobs/job.ts'
import { whenThere } from '../jobs/soon.ts'
import type { Soon } from '../jobs/soon.ts'
import type { ApiContext } from './context.ts'
import type { JobSchema } from './schemas.ts'

type JobBody = Static<typeof JobSchema>

type JobSummary = Omit<JobBody, 'result' | 'queue'>

/** The store gives the same object as long as nothing has changed. */
const summaries = new WeakMap<Job, JobSummary>()
const finishedBodies = new WeakMap<Job, JobBody>()

/** A job as the API shows it, without its result and its place in the queue. */
export function jobSummary(job: Job, { settings }: Pick<ApiContext, 'settings'>): JobSummary {
  const known = summaries.get(job)
  if (known !== undefined) return known
  const summary = {
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
  summaries.set(job, summary)
  return summary
}

/** A job with its place in the queue, and with its result once there is one. */
export function jobBody(job: Job, context: Pick<ApiContext, 'results' | 'queue' | 'settings'>): Soon<JobBody> {
  if (isFinished(job.status)) return finishedBodies.get(job) ?? finishedBody(job, context)
  return whenThere(context.queue.standing(job), (standing) => {
    const summary = jobSummary(job, context)
    return standing === undefined ? { ...summary, result: null } : { ...summary, result: null, queue: standing }
  })
}

async function finishedBody(job: Job, context: Pick<ApiContext, 'results' | 'settings'>): Promise<JobBody> {
  const result = job.resultKey === null ? null : await context.results.read(job.resultKey)
  const body = { ...jobSummary(job, context), result }
  finishedBodies.set(job, body)
  return body
}

function expiryOf({ expiresAt, completedAt }: Job, retentionMs: number | null): Date | null {
  if (expiresAt !== null || completedAt === null || retentionMs === null) return expiresAt
  return new Date(completedAt.getTime() + retentionMs)
}
