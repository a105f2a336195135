import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { newJobId } from '../../jobs/job-id.ts'
import type { Job } from '../../jobs/job.ts'
import type { ModelParameters } from '../../contract/recognition-task.ts'
import { TranscriptSchema } from '../../contract/transcript.ts'
import { jsonParser } from '../bodies/json.ts'
import { requireModel } from '../authentication/principal.ts'
import type { ApiContext } from '../context.ts'
import { statusOf } from '../errors/error-status.ts'
import { ApiError } from '../errors/api-error.ts'
import { noteJob, traceparentOf } from '../http/tracing.ts'
import { addVary } from '../http/vary.ts'
import { goneOf } from '../http/gone.ts'
import { attend } from './attended-job.ts'
import type { AttendedJob } from './attended-job.ts'
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
        const { input, recording } = await receiveSync(request, { parseInput, parseJson, gone, ...context })
        const { payloadKey, payloadVersion, sourceUrl = null, audioSeconds = MAX_SECONDS } = recording
        const asked = { id: newJobId(), keyId: request.owner, model: model.id, serviceTier, input }
        const traceparent = traceparentOf(request)
        noteJob(request, asked.id)
        // Either way no other job can have it.
        const isSent = recording.audioSeconds === undefined || sourceUrl !== null
        const sent = { payloadKey, payloadVersion, sourceUrl, audioSeconds, isSent }
        const job = { ...asked, ...sent, traceparent, representation }
        const body = await run(job, gone, context)
        addVary(reply, 'Accept')
        if (format === 'json') return await sendJson(reply, `{"response":${body}}`)
        return await reply.type(`${MEDIA_TYPES[format]}; charset=utf-8`).send(body)
      },
    )
    done()
  }
}

interface SyncJob extends Omit<AttendedJob, 'priority' | 'maxAudioSeconds' | 'urgent'> {
  readonly representation: Representation
}

/** Runs the job while the client waits, and leaves nothing of it. Says its result, as it was asked for. */
async function run({ representation, ...job }: SyncJob, gone: AbortSignal, context: ApiContext): Promise<string> {
  const options = { priority: 'high', maxAudioSeconds: MAX_SECONDS, urgent: true } as const
  const attendance = { gone, timeoutMs: context.settings.syncTimeoutMs, keptMs: 0 }
  using attended = await attend({ ...job, ...options }, attendance, context)
  const found = await attended.ended
  if (found?.status === 'success' && found.resultKey !== null) {
    return await context.results.get(found.resultKey, representation)
  }
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
