import { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import { hasCode } from '../../contract/coded-error.ts'
import type { PayloadKey } from '../../payloads/payload-key.ts'
import { Upload } from '../../payloads/uploads/upload.ts'
import { arrivingBody, isEncoded, streamOf } from '../bodies/arriving.ts'
import { BytesInFlight } from '../bodies/bytes-in-flight.ts'
import type { Hold } from '../bodies/bytes-in-flight.ts'
import { isForm, readForm } from '../bodies/form.ts'
import type { Form } from '../bodies/form.ts'
import type { ApiContext } from '../context.ts'
import { FieldError } from './errors.ts'
import { FormFields } from './form-fields.ts'

export const ASYNC_HINT =
  'The Async API takes larger and longer ones, and its clients need not wait: POST /v1/input/upload-url, PUT, POST /v1/async/ent/…, then poll.'

/** As many of the largest forms may arrive at the same time. */
const LARGEST_FORMS = 10
const MAX_FIELDS = 200
const EXTENSION = /\.([a-z\d]{1,16})$/i

/** What is stored instead of the bytes that came. */
type Convert = (bytes: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>

export interface ReceivedForm<Asked> {
  readonly asked: Asked
  readonly payloadKey: PayloadKey
  /** As its sender calls it; it may be empty. */
  readonly fileName: string
}

/** Takes forms with a recording of any size: it goes to the payload store as it comes, wherever in the form it stands. */
export class FormReceiver {
  readonly #context: ApiContext
  readonly #inFlight: BytesInFlight
  readonly #fileField: string

  /** @param fileField name of the part that the recording is */
  constructor(context: ApiContext, fileField: string) {
    this.#context = context
    this.#inFlight = new BytesInFlight(LARGEST_FORMS * context.settings.openai.maxBytes)
    this.#fileField = fileField
  }

  /**
   * Refuses what is too large by its own words, before it is sent.
   * @throws FieldError 413
   */
  requireRoom(request: FastifyRequest): void {
    if (!isEncoded(request) && (announcedBytes(request) ?? 0) > this.#context.settings.openai.maxBytes)
      throw this.#tooLarge()
  }

  /**
   * @param read says what the fields ask for; when it throws, nothing is stored
   * @throws ApiError 400, 408, 413, 415, 503
   */
  async receive<Asked>(
    request: FastifyRequest,
    read: (fields: FormFields) => Promise<Asked>,
    convert: Convert = (bytes) => bytes,
  ): Promise<ReceivedForm<Asked>> {
    const { payloads, signingSecret } = this.#context
    const form = await this.#begin(request)
    const { key } = Upload.mint(
      signingSecret,
      request.owner,
      EXTENSION.exec(form.fileName)?.[1]?.toLowerCase() ?? 'form',
    )
    using hold = this.#inFlight.hold(request)
    const bytes = counted(convert(form.file), hold, this.#fileField)
    const answer: { asked?: Asked } = {}
    try {
      await payloads.write(key, streamOf(bytes), {
        maxBytes: this.#context.settings.openai.maxBytes,
        bodyBytes: isEncoded(request) ? undefined : announcedBytes(request),
        beforeCommit: async () => {
          answer.asked = await read(new FormFields(await form.entries))
        },
      })
    } catch (error) {
      throw hasCode(error, 'payload.too_large') ? this.#tooLarge(error) : error
    }
    if (answer.asked === undefined) throw new Error('a form was stored without having been read')
    return { asked: answer.asked, payloadKey: key, fileName: form.fileName }
  }

  async #begin(request: FastifyRequest): Promise<Form> {
    const fileField = this.#fileField
    if (!(request.body instanceof Readable) || request.held === null || !isForm(request.contentType)) {
      throw new FieldError(
        `The body is to be a multipart/form-data form with the recording in the part ${fileField}.`,
        {
          param: fileField,
        },
      )
    }
    return await readForm(arrivingBody(request, this.#context.limits), request.contentType, {
      ...{ maxFieldBytes: this.#context.limits.jsonBytes, onFieldBytes: request.held.json.take },
      ...{ maxFields: MAX_FIELDS, fileField },
      noFile: () =>
        new FieldError(
          `The form has no recording: send it as the part ${fileField}. A recording that lies somewhere else (url) is for the Async API.`,
          { param: fileField },
        ),
    })
  }

  #tooLarge(cause?: unknown): FieldError {
    const { maxBytes } = this.#context.settings.openai
    return new FieldError(
      `Maximum content size limit (${maxBytes} bytes) exceeded (SOTTO_OPENAI_MAX_BYTES). ${ASYNC_HINT}`,
      { status: 413, param: this.#fileField, cause },
    )
  }
}

function announcedBytes({ headers }: FastifyRequest): number | undefined {
  const length = headers['content-length']
  return length === undefined ? undefined : Number(length)
}

/** An empty recording fails, so that no empty object is made. */
async function* counted(bytes: AsyncIterable<Uint8Array>, hold: Hold, param: string): AsyncGenerator<Uint8Array> {
  let isEmpty = true
  for await (const chunk of bytes) {
    hold.take(chunk.length)
    isEmpty &&= chunk.length === 0
    yield chunk
  }
  if (isEmpty) throw new FieldError('The recording has no bytes.', { param })
}
