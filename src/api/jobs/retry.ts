import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import type { Static } from 'typebox'
import { newJobId } from '../../jobs/job-id.ts'
import { SERVICE_TIERS, isFinished } from '../../jobs/job.ts'
import type { Job } from '../../jobs/job.ts'
import type { Idempotency, NewJob, Submitted } from '../../jobs/job-store.ts'
import { requireModel } from '../authentication/principal.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/api-error.ts'
import { goneOf } from '../http/gone.ts'
import { traceparentOf } from '../http/tracing.ts'
import { IdempotencyHeader, JobParams, SubmittedSchema, errors } from '../schemas.ts'
import { remoteRecording } from '../uploads/submitted-recording.ts'
import type { SubmittedRecording } from '../uploads/submitted-recording.ts'
import { sendJson } from './job-body.ts'
import { withName } from './job-labels.ts'
import { idempotencyOf, jobOptionFields, jobOptions } from './job-options.ts'
import { findOwnJob } from './own-job.ts'
import { requireTier, submittedJson } from './submissions.ts'
import { submitRecording } from './submit-recording.ts'

export const RetryBody = Type.Object(
  {
    model: Type.Optional(Type.String({ maxLength: 255, description: '`publisher/model`.' })),
    serviceTier: Type.Optional(Type.Enum(SERVICE_TIERS)),
    input: Type.Optional(Type.Unknown({ description: 'All parameters that are not to have their defaults.' })),
    ...jobOptionFields,
  },
  {
    additionalProperties: false,
    description: 'What is to be otherwise; what is not named is as it was. May be left out.',
  },
)
type RetryChanges = Static<typeof RetryBody>

/** Submits a finished job's recording again. */
export function retryRoutes(context: ApiContext): FastifyPluginCallbackTypebox {
  const { jobs } = context
  return (api, _options, done) => {
    api.post(
      '/v1/async/requests/:id/retry',
      {
        schema: {
          tags: ['Async API'],
          summary: 'Submit a finished job again',
          description:
            'Makes a new job with the same recording, and with the same model, tier, input, name and metadata unless the body says ' +
            'otherwise. The old one stays as it is. With the header Idempotency-Key as a submit.',
          headers: IdempotencyHeader,
          params: JobParams,
          body: RetryBody,
          response: { 202: SubmittedSchema, ...errors(400, 401, 404, 409, 422, 429, 503) },
        },
        preValidation: (request, _reply, next) => {
          request.body ??= {}
          next()
        },
      },
      async (request, reply) => {
        const job = await findOwnJob(jobs, request.params.id, request.owner)
        const idempotency = idempotencyOf(request, ['retry', job.id, request.body])
        const submitted = await retryJob(job, { changes: request.body, idempotency, request }, context, goneOf(reply))
        if (!submitted.isNew) void reply.header('idempotent-replayed', 'true')
        return await sendJson(reply.status(202), await submittedJson(submitted, request, context))
      },
    )
    done()
  }
}

interface Retry {
  readonly changes: RetryChanges
  readonly idempotency: Idempotency | null
  /** Of whoever asks: its key may have come to be for some models alone. */
  readonly request: FastifyRequest
}

/**
 * Submits a new job with a finished one's recording, told to whom that one was told.
 * @param gone aborted when the client leaves
 * @throws ApiError 400, 409, 503; InputError; KeyError; JobStoreError; LimitError
 */
export async function retryJob(
  job: Job,
  { changes, idempotency, request }: Retry,
  context: ApiContext,
  gone: AbortSignal,
): Promise<Submitted> {
  const replayed = idempotency === null ? undefined : await context.jobs.findReplay(job.keyId, idempotency)
  if (replayed !== undefined) return { job: replayed, isNew: false }
  if (!isFinished(job.status)) {
    throw new ApiError(409, `Only a finished job can be submitted again; this one is ${job.status}. Cancel it first.`)
  }
  const { model, input } = await taskOf(job, changes, context)
  requireModel(request, model)
  const { serviceTier: asked = job.serviceTier } = changes
  const serviceTier = changes.serviceTier === undefined ? asked : await requireTier(asked, context)
  const recording = await recordingOf(job, context, gone)
  const again: NewJob = {
    ...optionsOf(job, changes),
    ...recording,
    ...{ id: newJobId(), keyId: job.keyId, model, serviceTier, input, idempotency, webhook: job.webhook },
    // Where the job has run, this is no guess any more.
    audioSeconds: job.audioSeconds,
    maxAudioSeconds: context.settings.maxAudioSeconds,
    urgent: false,
    traceparent: traceparentOf(request),
  }
  return await submitRecording(again, context)
}

/** The same one again; what could not be fetched is fetched anew. */
async function recordingOf(
  { payloadKey, sourceUrl, keyId }: Job,
  context: ApiContext,
  gone: AbortSignal,
): Promise<Omit<SubmittedRecording, 'audioSeconds'>> {
  if (sourceUrl !== null) return await remoteRecording(sourceUrl, keyId, context, gone)
  const recording = await context.recordings.find(payloadKey, keyId)
  if (recording === undefined) throw new ApiError(409, 'The recording is gone. Upload and submit it anew.')
  return { payloadKey, payloadVersion: recording.payloadVersion, sourceUrl: null }
}

/** Without changes, what was stored is taken as it is: the job's run says whether it still fits. */
async function taskOf(
  job: Job,
  changes: RetryChanges,
  { catalogue, familyOf }: ApiContext,
): Promise<Pick<NewJob, 'model' | 'input'>> {
  const { model: id = job.model, input = job.input } = changes
  if (input === null) throw new ApiError(409, 'What is stored of the job is damaged. Submit the recording anew.')
  if (changes.model === undefined && changes.input === undefined) return { model: job.model, input: job.input ?? {} }
  const model = catalogue.find(id)
  if (model === undefined) {
    const known = catalogue.list().map((each) => each.id)
    throw new ApiError(400, `There is no model ${id.slice(0, 100)}. Known are ${known.join(', ')}.`)
  }
  const { parameters } = await familyOf(model)
  return { model: model.id, input: parameters.parse(input, model) }
}

/** A time by which the old job had to start, or was to be removed, is not the new one's. */
function optionsOf(job: Job, changes: RetryChanges): ReturnType<typeof jobOptions> {
  const given = jobOptions(changes)
  const name = given.name ?? job.name
  return {
    name,
    metadata: changes.metadata ?? withName(job.metadata, name),
    priority: changes.priority ?? job.priority,
    timeoutSeconds: given.timeoutSeconds ?? job.timeoutSeconds,
    removeAfterSeconds: given.removeAfterSeconds ?? job.removeAfterSeconds,
    startBy: given.startBy,
    expiresAt: given.expiresAt,
  }
}
