import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { newJobId } from '../../jobs/job-id.ts'
import type { Job } from '../../jobs/job.ts'
import type { ModelParameters } from '../../contract/recognition-task.ts'
import { TranscriptSchema } from '../../contract/transcript.ts'
import { jsonParser } from '../bodies/json.ts'
import type { ApiContext } from '../context.ts'
import { statusOf } from '../errors/error-status.ts'
import { ApiError } from '../errors/api-error.ts'
import { attend, goneOf } from './attended-job.ts'
import type { AttendedJob } from './attended-job.ts'
import { sendJson } from './job-body.ts'
import { ModelParams, TierQuery, errors } from '../schemas.ts'
import { findModel, requireTier } from './submissions.ts'
import { ASYNC_HINT, receiveSync } from '../bodies/sync-body.ts'

/** Longer recordings belong to the Async API. */
const MAX_SECONDS = 60

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
        const { input, recording } = await receiveSync(request, { parseInput, parseJson, ...context })
        const { payloadKey, payloadVersion, audioSeconds = MAX_SECONDS } = recording
        const asked = { id: newJobId(), keyId: request.owner, model: model.id, serviceTier, input }
        const isSent = recording.audioSeconds === undefined
        const json = await run({ ...asked, payloadKey, payloadVersion, audioSeconds, isSent }, gone, context)
        await sendJson(reply, `{"response":${json}}`)
      },
    )
    done()
  }
}

/** Runs the job while the client waits, and leaves nothing of it. Says its result, as JSON. */
async function run(
  job: Omit<AttendedJob, 'priority' | 'maxAudioSeconds' | 'urgent'>,
  gone: AbortSignal,
  context: ApiContext,
): Promise<string> {
  const options = { priority: 'high', maxAudioSeconds: MAX_SECONDS, urgent: true } as const
  const attendance = { gone, timeoutMs: context.settings.syncTimeoutMs, keptMs: 0 }
  const { ended } = await attend({ ...job, ...options }, attendance, context)
  const found = await ended
  if (found?.status === 'success' && found.resultKey !== null) return await context.results.json(found.resultKey)
  throw failure(found)
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
