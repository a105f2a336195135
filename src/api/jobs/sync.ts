import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { newJobId } from '../../jobs/job-id.ts'
import { isFinished } from '../../jobs/job.ts'
import type { Job } from '../../jobs/job.ts'
import type { NewJob } from '../../jobs/job-store.ts'
import type { ModelParameters } from '../../contract/recognition-task.ts'
import { TranscriptSchema } from '../../contract/transcript.ts'
import { jsonParser } from '../bodies/json.ts'
import type { ApiContext } from '../context.ts'
import { statusOf } from '../errors/error-status.ts'
import { ApiError } from '../errors/api-error.ts'
import { goneOf } from '../http/gone.ts'
import { sendJson } from './job-body.ts'
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
          querystring: TierQuery,
          response: {
            200: Type.Object({ response: TranscriptSchema }),
            ...errors(400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 503),
          },
        },
      },
      async (request, reply) => {
        const gone = goneOf(reply)
        const model = findModel(request.params, context)
        const serviceTier = await requireTier(request.query.serviceTier, context)
        const { parameters } = await context.familyOf(model)
        const parseInput = (input: unknown): ModelParameters => parameters.parse(input, model)
        const { input, recording } = await receiveSync(request, { parseInput, parseJson, gone, ...context })
        const { payloadKey, payloadVersion, sourceUrl = null, audioSeconds = MAX_SECONDS } = recording
        const asked = { id: newJobId(), keyId: request.owner, model: model.id, serviceTier, input }
        // Either way no other job can have it.
        const isSent = recording.audioSeconds === undefined || sourceUrl !== null
        const json = await run({ ...asked, payloadKey, payloadVersion, sourceUrl, audioSeconds, isSent }, gone, context)
        await sendJson(reply, `{"response":${json}}`)
      },
    )
    done()
  }
}

interface SyncJob extends Pick<
  NewJob,
  'id' | 'keyId' | 'model' | 'serviceTier' | 'input' | 'payloadKey' | 'payloadVersion' | 'sourceUrl' | 'audioSeconds'
> {
  /** Whether the recording came with the request, or by it, so that no other job can have it. */
  readonly isSent: boolean
}

/** Runs the job while the client waits, and leaves nothing of it. Says its result, as JSON. */
async function run({ isSent, ...job }: SyncJob, gone: AbortSignal, context: ApiContext): Promise<string> {
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
    if (found?.status === 'success' && found.resultKey !== null) return await results.json(found.resultKey)
    throw failure(found)
  } finally {
    clearTimeout(timer)
    gone.removeEventListener('abort', onGone)
    endRun()
  }
}

/** A job that is being cancelled is removed when its worker has let go of it; one that can't be waited for goes when it expires. */
async function clear(
  { id, payloadKey, isSent }: SyncJob,
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
