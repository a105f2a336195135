import { hash } from 'node:crypto'
import type { FastifyReply } from 'fastify'
import type { Static } from 'typebox'
import type { Job } from '../../jobs/job.ts'
import type { ApiContext, ApiSettings } from '../context.ts'
import type { JobSchema } from '../schemas.ts'
import { AS_STORED } from './representation.ts'
import type { Representation } from './representation.ts'

type JobSummary = Omit<Static<typeof JobSchema>, 'result' | 'queue' | 'input' | 'usage' | 'version'>

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

/** What is shown of a job as JSON, and which version of the job that is. */
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
  const details = jobDetails(job, context)
  const json = JSON.stringify(details)
  const version = hash('sha256', json, 'base64url').slice(0, VERSION_LENGTH)
  const made = { json: JSON.stringify({ ...details, version }), version }
  shown.set(job, made)
  return made
}

type JobContext = Pick<ApiContext, 'results' | 'queue' | 'settings'>

/**
 * JSON of a job with its place in the queue, and with its result once there is one. As text, since polls ask for the same again and again,
 * and the result is stored as JSON.
 * @param leftOut fields that the result's segments are to be without
 */
export async function jobJson(job: Job, context: JobContext, leftOut: Representation['leftOut'] = []): Promise<string> {
  const before = shownOf(job, context).json.slice(0, -1)
  if (job.resultKey !== null) {
    return `${before},"result":${await context.results.get(job.resultKey, { ...AS_STORED, leftOut })}}`
  }
  const place = await context.queue.positionOf(job)
  if (place === undefined) return `${before},"result":null}`
  return `${before},"result":null,"queue":{"position":${place.position},"etaSeconds":${place.etaSeconds}}}`
}

/** Sends a job as polls have it. */
export async function sendJob(
  reply: FastifyReply,
  job: Job,
  context: JobContext,
  leftOut: Representation['leftOut'] = [],
): Promise<FastifyReply> {
  const json = await jobJson(job, context, leftOut)
  // A job that has a result is what it is, so that a client that polls it again and again has it compressed once.
  if (job.resultKey !== null) reply.immutableName = `job ${leftOut.join(',')} ${shownOf(job, context).json}`
  return sendJson(reply, json)
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
