import { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import type { Static } from 'typebox'
import { Check } from 'typebox/value'
import { hasCode } from '../../contract/coded-error.ts'
import type { ModelParameters } from '../../contract/recognition-task.ts'
import { Upload } from '../../payloads/uploads/upload.ts'
import { arrivingBody, streamOf } from './arriving.ts'
import type { Hold } from './bytes-in-flight.ts'
import { BytesField, notBase64 } from './bytes-field.ts'
import { isForm, readForm } from './form.ts'
import type { ParseJson } from './json.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/api-error.ts'
import { SyncBody } from '../schemas.ts'
import { emptyUpload } from '../uploads/upload-state.ts'
import { submittedRecording } from '../uploads/submitted-recording.ts'
import type { SubmittedRecording } from '../uploads/submitted-recording.ts'

/** A minute of any usual format: of 96 kHz stereo in 24 bits it has 35 MB. */
const MAX_BYTES = 64 * 2 ** 20
const BASE64_BYTES_PER_BYTE = 4 / 3
const JSON_TYPE = /^application\/json\s*(?:;|$)/i

export const ASYNC_HINT = 'Use the Async API: POST /v1/input/upload-url, PUT, POST /v1/async/ent/…, then poll.'

export interface SyncBodyContext extends ApiContext {
  /** Validates what is given for the model's parameters. */
  readonly parseInput: (input: unknown) => ModelParameters
  readonly parseJson: ParseJson
  /** Aborted when the client leaves. */
  readonly gone: AbortSignal
}

/** What a synchronous request brought. */
interface Received {
  readonly input: ModelParameters
  /** Stored, or still to be fetched; its length is known of uploads alone. */
  readonly recording: Pick<SubmittedRecording, 'payloadKey' | 'payloadVersion'> &
    Partial<Pick<SubmittedRecording, 'audioSeconds' | 'sourceUrl'>>
}

/**
 * Takes the body of a synchronous request: JSON, a form, or the recording itself. The recording goes to the payload store as it comes.
 * @throws ApiError 400, 408, 413, 415, 503
 */
export async function receiveSync(request: FastifyRequest, context: SyncBodyContext): Promise<Received> {
  const isJson = JSON_TYPE.test(request.contentType)
  const maxBytes = isJson ? Math.ceil(MAX_BYTES * BASE64_BYTES_PER_BYTE) + context.limits.jsonBytes : MAX_BYTES
  if (!(request.body instanceof Readable) || request.held === null) throw isJson ? noRecording() : emptyUpload()
  const isEncoded = request.headers['content-encoding'] !== undefined
  if (!isEncoded && Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge()
  const body = arrivingBody(request, context.limits, { limitMs: context.limits.syncMs })
  if (isJson) return await receiveJson(atMost(maxBytes, body), request.held, request, context)
  if (isForm(request.contentType)) return await receiveForm(body, request.held, request, context)
  const input = context.parseInput({})
  return { input, recording: await store(held(body, request.held.sync), request.owner, context, async () => undefined) }
}

interface Holds {
  readonly json: Hold
  readonly sync: Hold
}

async function receiveJson(
  body: AsyncIterable<Uint8Array>,
  holds: Holds,
  request: FastifyRequest,
  context: SyncBodyContext,
): Promise<Received> {
  const { limits, parseInput, parseJson } = context
  const field = new BytesField({ maxRestBytes: limits.jsonBytes, onRest: holds.json.take })
  const bytes = held(decoded(body, field), holds.sync)
  const first = await bytes.next()
  const rest = async (): Promise<Static<typeof SyncBody>> => {
    const given = await parseJson(request, field.rest)
    if (!Check(SyncBody, given)) throw noRecording()
    if ((given.Bytes === undefined) === (given.URL === undefined)) {
      throw new ApiError(400, 'The body takes either Bytes or URL.')
    }
    return given
  }
  if (first.done === true) {
    const { URL: url, input } = await rest()
    if (url === undefined) throw notBase64()
    return {
      input: parseInput(input ?? {}),
      recording: await submittedRecording(url, request, context, context.gone),
    }
  }
  const read: { input?: ModelParameters } = {}
  const recording = await store(from(first.value, bytes), request.owner, context, async () => {
    read.input = parseInput((await rest()).input ?? {})
  })
  return { input: read.input ?? parseInput({}), recording }
}

/** A field `input` of the form is JSON, as `input` of a JSON body. */
async function receiveForm(
  body: Readable,
  holds: Holds,
  request: FastifyRequest,
  context: SyncBodyContext,
): Promise<Received> {
  const { limits, parseInput, parseJson } = context
  const form = await readForm(body, request.contentType, {
    maxFieldBytes: limits.jsonBytes,
    onFieldBytes: holds.json.take,
  })
  const read: { input?: ModelParameters } = {}
  const recording = await store(held(form.file, holds.sync), request.owner, context, async () => {
    const { input, ...others } = Object.fromEntries(await form.fields)
    const [other] = Object.keys(others)
    if (other !== undefined) {
      throw new ApiError(400, `The form takes one file and a field input, of JSON, but no ${JSON.stringify(other)}.`)
    }
    read.input = parseInput(input === undefined ? {} : await parseJson(request, input))
  })
  return { input: read.input ?? parseInput({}), recording }
}

/** @param complete runs when all bytes are there; when it throws, nothing is stored */
async function store(
  bytes: AsyncIterable<Uint8Array>,
  owner: string,
  { payloads, signingSecret }: ApiContext,
  complete: () => Promise<void>,
): Promise<Pick<SubmittedRecording, 'payloadKey' | 'payloadVersion'>> {
  const { key: payloadKey } = Upload.mint(signingSecret, owner, 'sync')
  try {
    await payloads.write(payloadKey, streamOf(bytes), { maxBytes: MAX_BYTES, beforeCommit: complete })
    return { payloadKey, payloadVersion: null }
  } catch (error) {
    if (!hasCode(error, 'payload.too_large')) throw error
    throw tooLarge(error)
  }
}

/** White space between letters counts as well: it is stored nowhere, and so would be read without end. */
async function* atMost(maxBytes: number, body: Readable): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > maxBytes) throw tooLarge()
    yield chunk
  }
}

async function* decoded(body: AsyncIterable<Uint8Array>, field: BytesField): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    const bytes = field.push(chunk)
    if (bytes.length > 0) yield bytes
  }
}

async function* held(bytes: AsyncIterable<Uint8Array>, hold: Hold): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    hold.take(chunk.length)
    yield chunk
  }
}

async function* from(first: Uint8Array, others: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first
  yield* others
}

function noRecording(): ApiError {
  return new ApiError(400, 'The body takes {"Bytes": "<base64>"} or {"URL": "<upload URL>"}, with an optional "input".')
}

function tooLarge(cause?: unknown): ApiError {
  return new ApiError(413, `The recording has more than ${MAX_BYTES} bytes. ${ASYNC_HINT}`, { cause })
}
