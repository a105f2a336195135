import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import { Check } from 'typebox/value'
import { v7 as uuidv7 } from 'uuid'
import { isFinished } from '../jobs/job.ts'
import type { Job } from '../jobs/job.ts'
import type { NewJob } from '../jobs/store.ts'
import { parseWhisperInput } from '../models/whisper-input.ts'
import { TranscriptSchema } from '../transcript/result.ts'
import { authenticate } from './authentication.ts'
import type { ApiContext } from './context.ts'
import { statusOf } from './error-status.ts'
import { ApiError } from './errors.ts'
import type { Recording } from './recordings.ts'
import { ModelParams, SyncBody, TierQuery, errors } from './schemas.ts'
import { findModel, requireTier } from './submissions.ts'
import { submitRecording } from './submit-recording.ts'
import { uploadedRecording } from './uploaded-recording.ts'

/** Longer recordings belong to the Async API. */
const MAX_SECONDS = 60
/** A minute of any usual format: of 96 kHz stereo in 24 bits it has 35 MB. */
const MAX_BYTES = 64 * 2 ** 20
const BASE64_SHARE = 4 / 3

/** Its client has it then, or is gone. */
const KEPT_MS = 600_000

const ASYNC_HINT = 'Use the Async API: POST /v1/input/upload-url, PUT, POST /v1/async/ent/…, then poll.'

/** The synchronous API: a short recording in, its transcript out, through the same jobs as the Async API. */
export function syncRoutes(context: ApiContext): FastifyPluginCallbackTypebox {
  return (api, _options, done) => {
    const parseJson = api.getDefaultJsonParser('error', 'error')
    api.removeAllContentTypeParsers()
    api.addContentTypeParser(
      'application/json',
      { parseAs: 'string', bodyLimit: Math.ceil(MAX_BYTES * BASE64_SHARE) + 2 ** 20 },
      parseJson,
    )
    api.addContentTypeParser('*', (_request, payload, parsed) => parsed(null, payload))

    api.post(
      '/v1/ent/:vendor/:version/:publisher/:model',
      {
        schema: {
          tags: ['Synchronous API'],
          summary: 'Transcribe up to 60 seconds',
          description:
            'The body is JSON with the recording as base64 in Bytes or as a presigned URL, or it is the recording itself, with ' +
            'any other Content-Type.',
          params: ModelParams,
          querystring: TierQuery,
          response: {
            200: Type.Object({ response: TranscriptSchema }),
            ...errors(400, 401, 403, 404, 409, 413, 422, 429, 503),
          },
        },
      },
      async (request) => {
        const keyId = await authenticate(request, context)
        const model = findModel(request.params, context)
        const serviceTier = await requireTier(request.query.serviceTier, context)
        const { body, given } = readBody(request)
        const input = parseWhisperInput(given ?? {}, model)
        const recording = await store(body, keyId, context)
        const { payloadKey, payloadVersion, audioSeconds } = recording
        const asked = { id: uuidv7(), keyId, model: model.id, serviceTier, input }
        const job = { ...asked, payloadKey, payloadVersion, audioSeconds }
        return { response: await run(job, request, context) }
      },
    )
    done()
  }
}

type Body = { readonly url: string } | { readonly bytes: Readable }

function readBody(request: FastifyRequest): { readonly body: Body; readonly given: unknown } {
  if (request.body instanceof Readable) return { body: { bytes: request.body }, given: undefined }
  if (!Check(SyncBody, request.body)) {
    throw new ApiError(
      400,
      'The body takes {"Bytes": "<base64>"} or {"URL": "<upload URL>"}, with an optional "input".',
    )
  }
  const { Bytes, URL: url, input } = request.body
  if ((Bytes === undefined) === (url === undefined)) throw new ApiError(400, 'The body takes either Bytes or URL.')
  if (url !== undefined) return { body: { url }, given: input }
  const bytes = Buffer.from(Bytes ?? '', 'base64')
  if (bytes.length === 0 || !/^[\w+/\s-]*={0,2}\s*$/.test(Bytes ?? ''))
    throw new ApiError(400, 'Bytes is not base64, or empty.')
  return { body: { bytes: Readable.from([bytes]) }, given: input }
}

async function store(
  body: Body,
  keyId: string,
  context: ApiContext,
): Promise<Pick<Recording, 'payloadKey' | 'payloadVersion' | 'audioSeconds'>> {
  const { payloads } = context
  if ('url' in body) return await uploadedRecording(body.url, keyId, context)
  const key = `uploads/${randomUUID()}.sync`
  try {
    await payloads.write(key, body.bytes, { maxBytes: MAX_BYTES })
    return { payloadKey: key, payloadVersion: null, audioSeconds: MAX_SECONDS }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'payload.too_large')) throw error
    throw new ApiError(413, `The recording has more than ${MAX_BYTES} bytes. ${ASYNC_HINT}`, { cause: error })
  }
}

/** Runs the job while the client waits, and leaves nothing of it. */
async function run(
  job: Pick<
    NewJob,
    'id' | 'keyId' | 'model' | 'serviceTier' | 'input' | 'payloadKey' | 'payloadVersion' | 'audioSeconds'
  >,
  request: FastifyRequest,
  context: ApiContext,
): Promise<Type.Static<typeof TranscriptSchema>> {
  const { jobs, results, settings } = context
  const { promise: ended, resolve: end } = Promise.withResolvers<'finished' | 'timeout' | 'gone'>()
  using _ = jobs.on('finished', (id) => {
    if (id === job.id) end('finished')
  })
  const timer = setTimeout(() => end('timeout'), settings.syncTimeoutMs)
  const onClose = (): void => end('gone')
  request.raw.socket.once('close', onClose)
  try {
    const inTime = new Date(Date.now() + settings.syncTimeoutMs)
    const options = { priority: 'high', maxAudioSeconds: MAX_SECONDS, urgent: true, idempotency: null } as const
    // Should this server die, nobody waits for it any more.
    const times = { startBy: inTime, timeoutSeconds: null, expiresAt: new Date(inTime.getTime() + KEPT_MS) }
    await submitRecording({ ...job, ...options, ...times }, context)
    const how = await ended
    const found = how === 'finished' ? await jobs.find(job.id) : await jobs.cancel(job.id)
    if (found?.status === 'success' && found.resultKey !== null) return await results.read(found.resultKey)
    throw failure(found)
  } finally {
    clearTimeout(timer)
    request.raw.socket.off('close', onClose)
    await clear(job.id, context)
  }
}

/** A job that is being cancelled is removed when its worker has let go of it. */
async function clear(id: string, context: ApiContext): Promise<void> {
  const { jobs, logger } = context
  const remove = async (): Promise<void> => {
    const job = await jobs.find(id)
    if (job === undefined || !isFinished(job.status)) return
    await jobs.remove(id)
    await context.clearGarbage()
  }
  const subscription = jobs.on('finished', (finished) => {
    if (finished !== id) return
    subscription[Symbol.dispose]()
    remove().catch((error: unknown) => logger.error({ err: error }, 'a synchronous job could not be removed'))
  })
  const job = await jobs.find(id)
  if (job === undefined || isFinished(job.status)) {
    subscription[Symbol.dispose]()
    await remove()
  }
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
