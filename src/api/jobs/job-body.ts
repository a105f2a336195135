import { hash } from 'node:crypto'
import type { FastifyReply } from 'fastify'
import type { Static } from 'typebox'
import type { Job } from '../../jobs/job.ts'
import type { ApiContext, ApiSettings } from '../context.ts'
import type { JobSchema } from '../schemas.ts'

type JobSummary = Omit<Static<typeof JobSchema>, 'result' | 'queue' | 'version'>

/** A job as the API shows it, without its result and its place in the queue. */
export function jobSummary(
  job: Job,
  { settings }: { readonly settings: Pick<ApiSettings, 'retentionMs'> },
): JobSummary {
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
    ...(job.waitingFor === null ? {} : { waitingFor: job.waitingFor }),
    ...(job.error === null ? {} : { error: job.error }),
  }
}

/** A summary as JSON, and which version of the job it shows. */
interface Shown {
  readonly json: string
  readonly version: string
}

/** Of jobs, which the store gives as the same objects as long as nothing has changed. */
const shown = new WeakMap<Job, Shown>()

const VERSION_LENGTH = 16

/**
 * Another one whenever anything of the job is, but its place in the queue. It is made of what is shown, so that all servers say the same
 * without any of them writing it down.
 */
export function versionOf(job: Job, context: Pick<ApiContext, 'settings'>): string {
  return shownOf(job, context).version
}

function shownOf(job: Job, context: Pick<ApiContext, 'settings'>): Shown {
  const known = shown.get(job)
  if (known !== undefined) return known
  const summary = JSON.stringify(jobSummary(job, context))
  const version = hash('sha256', summary, 'base64url').slice(0, VERSION_LENGTH)
  const made = { json: `${summary.slice(0, -1)},"version":"${version}"}`, version }
  shown.set(job, made)
  return made
}

/**
 * JSON of a job with its place in the queue, and with its result once there is one. As text, since polls ask for the same again and again,
 * and the result is stored as JSON.
 */
export async function jobJson(job: Job, context: Pick<ApiContext, 'results' | 'queue' | 'settings'>): Promise<string> {
  const summary = shownOf(job, context).json
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

function expiryOf({ expiresAt, completedAt }: Job, retentionMs: number | null): Date | null {
  if (expiresAt !== null || completedAt === null || retentionMs === null) return expiresAt
  return new Date(completedAt.getTime() + retentionMs)
}
