import type { FastifyReply } from 'fastify'
import type { Static } from 'typebox'
import type { Job } from '../../jobs/job.ts'
import type { ApiContext, ApiSettings } from '../context.ts'
import type { JobSchema } from '../schemas.ts'

type JobSummary = Omit<Static<typeof JobSchema>, 'result' | 'queue' | 'input' | 'usage'>

/** A job as lists show it. */
export function jobSummary(
  job: Job,
  { settings }: { readonly settings: Pick<ApiSettings, 'retentionMs'> },
): JobSummary {
  return {
    id: job.id,
    model: job.model,
    name: job.name,
    metadata: job.metadata,
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
    removeAfterSeconds: job.removeAfterSeconds,
    ...(job.waitingFor === null ? {} : { waitingFor: job.waitingFor }),
    ...(job.error === null ? {} : { error: job.error }),
  }
}

/** The same with what was asked for, and what it took. */
export function jobDetails(
  job: Job,
  context: { readonly settings: Pick<ApiSettings, 'retentionMs'> },
): JobSummary & Pick<Static<typeof JobSchema>, 'input' | 'usage'> {
  const { input, doneSeconds, startedAt, completedAt } = job
  const runSeconds =
    completedAt === null || startedAt === null ? 0 : (completedAt.getTime() - startedAt.getTime()) / 1000
  const usage = completedAt === null ? {} : { usage: { audioSeconds: doneSeconds, runSeconds } }
  return { ...jobSummary(job, context), input, ...usage }
}

/** Of jobs, which the store gives as the same objects as long as nothing has changed. */
const summaries = new WeakMap<Job, string>()

/**
 * JSON of a job with its place in the queue, and with its result once there is one. As text, since polls ask for the same again and again,
 * and the result is stored as JSON.
 */
export async function jobJson(job: Job, context: Pick<ApiContext, 'results' | 'queue' | 'settings'>): Promise<string> {
  let summary = summaries.get(job)
  if (summary === undefined) {
    summary = JSON.stringify(jobDetails(job, context))
    summaries.set(job, summary)
  }
  const before = summary.slice(0, -1)
  if (job.resultKey !== null) {
    return `${before},"result":${await context.results.json(job.resultKey)}}`
  }
  const place = await context.queue.positionOf(job)
  if (place === undefined) return `${before},"result":null}`
  return `${before},"result":null,"queue":{"position":${place.position},"etaSeconds":${place.etaSeconds}}}`
}

/** Sends what is JSON already. */
export function sendJson(reply: FastifyReply, json: string): FastifyReply {
  return reply.type('application/json; charset=utf-8').send(json)
}

/** The earliest of the job's own times; the server's only where it has none. */
function expiryOf({ expiresAt, removeAfterSeconds, completedAt }: Job, retentionMs: number | null): Date | null {
  const keptMs = removeAfterSeconds === null ? (expiresAt === null ? retentionMs : null) : removeAfterSeconds * 1000
  if (completedAt === null || keptMs === null) return expiresAt
  const removedAt = new Date(completedAt.getTime() + keptMs)
  return expiresAt !== null && expiresAt < removedAt ? expiresAt : removedAt
}
