import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import Type from 'typebox'
import { newJobId } from '../../jobs/job-id.ts'
import { isFinished } from '../../jobs/job.ts'
import type { Job } from '../../jobs/job.ts'
import type { NewJob } from '../../jobs/job-store.ts'
import type { ModelParameters } from '../../contract/recognition-task.ts'
import { TranscriptSchema } from '../../contract/transcript.ts'
import { jsonParser } from '../bodies/json.ts'
import { requireModel } from '../authentication/principal.ts'
import type { ApiContext } from '../context.ts'
import { statusOf } from '../errors/error-status.ts'
import { ApiError } from '../errors/api-error.ts'
import { addVary } from '../http/vary.ts'
import { sendJson } from './job-body.ts'
import { requireWordTimes } from './representation.ts'
import type { Representation } from './representation.ts'
import {
  MEDIA_TYPES,
  TEXTS,
  askedFormat,
  fieldsField,
  formatField,
  representationOf,
  subtitleFields,
} from './result-query.ts'
import { ModelParams, TierQuery, errors } from '../schemas.ts'
import { findModel, requireTier } from './submissions.ts'
import { submitRecording } from './submit-recording.ts'
import { ASYNC_HINT, receiveSync } from '../bodies/sync-body.ts'

/** Longer recordings belong to the Async API. */
const MAX_SECONDS = 60

/** By then its client has the answer, or is gone. */
const KEPT_MS = 600_000

/** The synchronous API: a short recording in, its transcript out, through the same jobs as the Async API. */
export function syncRoutes(context: ApiContext): FastifyPluginCallbackTypebox {
  return (api, _options, done) => {
    const parseJson = jsonParser(api, context.limits)
    api.removeAllContentTypeParsers()
    api.addContentTypeParser('*', (_request, payload, parsed) => parsed(null, payload))

    api.post(
      '/v1/ent/:vendor/:version/:publisher/:model',
      {
        schema: {
          tags: ['Synchronous API'],
          summary: 'Transcribe up to 60 seconds',
          description:
            'The body is JSON with the recording as base64 in Bytes or as a presigned URL, a multipart/form-data form with the ' +
            'recording as its file, or the recording itself, with any other Content-Type.',
          params: ModelParams,
          querystring: Type.Object({ ...TierQuery.properties, ...formatField, ...subtitleFields, ...fieldsField }),
          response: {
            200: {
              description: 'The transcript, in the format that the query or Accept asks for; by itself, but for JSON.',
              content: {
                [MEDIA_TYPES.json]: { schema: Type.Object({ response: TranscriptSchema }) },
                ...TEXTS,
              },
            },
            ...errors(400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 503),
          },
        },
      },
      async (request, reply) => {
        const gone = goneOf(reply)
        const model = findModel(request.params, context)
        requireModel(request, model.id)
        const serviceTier = await requireTier(request.query.serviceTier, context)
        const { parameters } = await context.familyOf(model)
        // What does not say, or asks for what there is not, gets JSON, as it did when there was nothing else.
        const format = askedFormat(request, request.query.format) ?? 'json'
        const representation = representationOf(format, request.query)
        const parseInput = (input: unknown): ModelParameters => {
          const parsed = parameters.parse(input, model)
          requireWordTimes(representation, parsed)
          return parsed
        }
        const { input, recording } = await receiveSync(request, { parseInput, parseJson, ...context })
        const { payloadKey, payloadVersion, audioSeconds = MAX_SECONDS } = recording
        const asked = { id: newJobId(), keyId: request.owner, model: model.id, serviceTier, input }
        const isSent = recording.audioSeconds === undefined
        const job = { ...asked, payloadKey, payloadVersion, audioSeconds, isSent, representation }
        const body = await run(job, gone, context)
        addVary(reply, 'Accept')
        if (format === 'json') return await sendJson(reply, `{"response":${body}}`)
        return await reply.type(`${MEDIA_TYPES[format]}; charset=utf-8`).send(body)
      },
    )
    done()
  }
}

/** Aborted when the client leaves, from the request's beginning on. */
function goneOf({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController()
  if (raw.destroyed) gone.abort()
  else raw.once('close', () => gone.abort())
  return gone.signal
}

interface SyncJob extends Pick<
  NewJob,
  'id' | 'keyId' | 'model' | 'serviceTier' | 'input' | 'payloadKey' | 'payloadVersion' | 'audioSeconds'
> {
  /** Whether the recording came with the request, so that no other job can have it. */
  readonly isSent: boolean
  readonly representation: Representation
}

/** Runs the job while the client waits, and leaves nothing of it. Says its result, as it was asked for. */
async function run(
  { isSent, representation, ...job }: SyncJob,
  gone: AbortSignal,
  context: ApiContext,
): Promise<string> {
  const { jobs, results, settings } = context
  const { promise: ended, resolve: end } = Promise.withResolvers<'finished' | 'timeout' | 'gone'>()
  using _ = jobs.onJob('finished', job.id, () => end('finished'))
  const timer = setTimeout(() => end('timeout'), settings.syncTimeoutMs)
  const onGone = (): void => end('gone')
  gone.addEventListener('abort', onGone)
  if (gone.aborted) onGone()
  const { promise: over, resolve: endRun } = Promise.withResolvers<void>()
  // The answer does not wait for it, and is not changed by it. From here on, so that whoever closes the server waits for all of this.
  context.background.start('removing a synchronous job', async (closing) => {
    await over
    await clear({ ...job, isSent }, context, closing)
  })
  try {
    const inTime = new Date(Date.now() + settings.syncTimeoutMs)
    const options = { priority: 'high', maxAudioSeconds: MAX_SECONDS, urgent: true, idempotency: null } as const
    // Should this server die, the job expires: nobody waits for it any more.
    const times = { startBy: inTime, timeoutSeconds: null, expiresAt: new Date(inTime.getTime() + KEPT_MS) }
    await submitRecording({ ...job, ...options, ...times }, context)
    const how = await ended
    const found = how === 'finished' ? await jobs.find(job.id) : await jobs.cancel(job.id)
    if (found?.status === 'success' && found.resultKey !== null)
      return await results.get(found.resultKey, representation)
    throw failure(found)
  } finally {
    clearTimeout(timer)
    gone.removeEventListener('abort', onGone)
    endRun()
  }
}

/** A job that is being cancelled is removed when its worker has let go of it; one that can't be waited for goes when it expires. */
async function clear(
  { id, payloadKey, isSent }: Pick<SyncJob, 'id' | 'payloadKey' | 'isSent'>,
  { jobs, payloads, clearGarbage }: ApiContext,
  closing: AbortSignal,
): Promise<void> {
  const { promise: ended, resolve: end } = Promise.withResolvers<void>()
  using _ = jobs.onJob('finished', id, end)
  const timer = setTimeout(end, KEPT_MS)
  closing.addEventListener('abort', () => end())
  try {
    const job = await jobs.find(id)
    if (job === undefined) {
      // Its submit failed, so that nothing else knows of a recording that was sent with the request.
      if (isSent) await payloads.remove(payloadKey)
      return
    }
    if (!isFinished(job.status) && !closing.aborted) await ended
  } finally {
    clearTimeout(timer)
  }
  // Does nothing with a job that has not finished.
  if (await jobs.remove(id)) clearGarbage()
}

function failure(job: Job | undefined): ApiError {
  if (job?.error === null || job?.error === undefined) {
    return new ApiError(503, `The server is too busy to answer in time. Try again later. ${ASYNC_HINT}`)
  }
  const { code, message } = job.error
  if (code === 'audio.too_long') {
    return new ApiError(
      413,
      `The recording is longer than the ${MAX_SECONDS} s that the synchronous API takes. ${ASYNC_HINT}`,
    )
  }
  return new ApiError(statusOf(code) ?? 500, message)
}
