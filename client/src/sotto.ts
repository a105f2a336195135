import { fieldsOf, jobOf, listOf, textOf, transcriptOf } from './answers.ts'
import { SottoError } from './errors.ts'
import { Http } from './http.ts'
import type { RequestForLog } from './http.ts'
import { Job } from './job.ts'
import { Keys, usageOf } from './keys.ts'
import type { Usage } from './keys.ts'
import { Pages } from './pages.ts'
import type { Audio, JobBody, JobEvent, JobStatus, SubmitOptions, TranscribeOptions, Transcript } from './types.ts'
import { Uploads } from './uploads.ts'
import { webCrypto } from './web-crypto.ts'

const DEFAULT_MODEL = 'sotto/whisper-demo'
const DEFAULT_BASE_URL = 'http://127.0.0.1:8080'
const REQUESTS = '/v1/async/requests'

export interface SottoOptions {
  /** Of the server; default: in Node `SOTTO_SERVER`, else http://127.0.0.1:8080. */
  readonly baseUrl?: string
  /** Or what gives one, such as a token that lives for minutes; default: in Node `SOTTO_API_KEY`. */
  readonly apiKey?: string | (() => string | Promise<string>)
  /** `publisher/model` of calls that name none. */
  readonly model?: string
  readonly fetch?: typeof fetch
  /** Tries of a request beyond the first, where that is safe; default: 4. */
  readonly maxRetries?: number
  /** Until an answer begins; default: 100,000. */
  readonly timeoutMs?: number
  readonly headers?: NonNullable<RequestInit['headers']>
  /** `include` sends a session's cookie. */
  readonly credentials?: NonNullable<RequestInit['credentials']>
  /** Is told of each try, without secrets. */
  readonly onRequest?: (request: RequestForLog) => void
}

export interface ListFilter {
  readonly status?: JobStatus | readonly JobStatus[]
  readonly model?: string
  /** Text of the name. */
  readonly q?: string
  readonly from?: Date
  readonly to?: Date
  readonly metadata?: Readonly<Record<string, string>>
  readonly limit?: number
}

/**
 * A server's client.
 *
 *     const sotto = new Sotto({ baseUrl: 'http://127.0.0.1:8080', apiKey })
 *     const transcript = await sotto.transcribe(await openAsBlob('interview.m4a'), { model: 'openai/whisper-small' })
 */
export class Sotto {
  readonly uploads: Uploads
  readonly keys: Keys
  readonly #http: Http
  readonly #model: string

  constructor(options: SottoOptions = {}) {
    const environment = environmentOf()
    const { apiKey = environment['SOTTO_API_KEY'], credentials, headers, onRequest } = options
    this.#model = options.model ?? DEFAULT_MODEL
    this.#http = new Http({
      baseUrl: options.baseUrl ?? environment['SOTTO_SERVER'] ?? DEFAULT_BASE_URL,
      // Called as a method of this object, a browser's fetch is refused.
      fetch: options.fetch ?? ((input, init) => fetch(input, init)),
      maxRetries: options.maxRetries ?? 4,
      timeoutMs: options.timeoutMs ?? 100_000,
      ...{ apiKey, credentials, headers, onRequest },
    })
    this.uploads = new Uploads(this.#http)
    this.keys = new Keys(this.#http)
  }

  /**
   * Uploads, submits and waits for the transcript, however often the connection breaks.
   * @throws JobFailed, JobCancelled, JobGone; UploadInterrupted; ApiError, ConnectionError, TimedOut; the signal's reason
   */
  async transcribe(audio: Audio, options: TranscribeOptions = {}): Promise<Transcript> {
    const { signal, onEvent, onAbort = 'cancel' } = options
    const job = await this.submit(audio, options)
    try {
      return await job.result({ signal, ...(onEvent === undefined ? {} : { onEvent }) })
    } catch (error) {
      // By a request of its own, which the signal does not touch; that it may have finished meanwhile is no error.
      if (signal?.aborted === true && onAbort === 'cancel') await job.cancel().catch(() => undefined)
      throw error
    }
  }

  /**
   * Transcribes up to a minute within one request.
   * @throws ApiError
   */
  async transcribeNow(
    audio: Audio,
    {
      model = this.#model,
      serviceTier,
      input = {},
      signal,
    }: Pick<SubmitOptions, 'model' | 'serviceTier' | 'input' | 'signal'> = {},
  ): Promise<Transcript> {
    const form = await formOf(audio, input)
    const query = { serviceTier }
    const call = { method: 'POST', query, signal, maxRetries: 0, timeoutMs: 600_000 } as const
    const body = form instanceof Blob ? { body: form } : { json: form }
    const answer = await this.#http.json(`/v1/ent/tiyarofs/1/${model}`, { ...call, ...body })
    return transcriptOf(fieldsOf(answer, 'the answer')['response'])
  }

  /**
   * Uploads and submits, and does not wait.
   * @throws UploadInterrupted; ApiError, ConnectionError, TimedOut; the signal's reason
   */
  async submit(audio: Audio, options: SubmitOptions = {}): Promise<Job> {
    const { signal, model = this.#model, serviceTier } = options
    signal?.throwIfAborted()
    const url = await this.#place(audio, options)
    const key = await idempotencyKey()
    const answer = await this.#http.json(`/v1/async/ent/tiyarofs/1/${model}`, {
      method: 'POST',
      query: { serviceTier },
      // Repeated with the same key, a submit whose answer was lost makes no second job.
      headers: { 'idempotency-key': key },
      json: submission(url, audio, options),
      signal,
    })
    const response = fieldsOf(fieldsOf(answer, 'the answer')['response'], 'response')
    return this.job(textOf(response, 'id'))
  }

  /** A handle; makes no request. */
  job(idOrPollUrl: string): Job {
    return new Job(this.#http, idOrPollUrl)
  }

  /** The key's jobs, the newest first, without their results. */
  jobs({ status, model, q, from, to, metadata = {}, limit }: ListFilter = {}): Pages<JobBody> {
    const pairs = Object.entries(metadata).map(([name, value]) => [`metadata.${name}`, value] as const)
    return new Pages(async (cursor) => {
      const query = {
        ...{ status, model, q, limit, before: cursor },
        ...{ from: from?.toISOString(), to: to?.toISOString(), ...Object.fromEntries(pairs) },
      }
      const page = fieldsOf(await this.#http.json(REQUESTS, { query }), 'a page')
      const next = page['next']
      return { items: listOf(page, 'requests').map(jobOf), next: typeof next === 'string' ? next : null }
    })
  }

  /** The models that can be submitted to, as the server describes them. */
  async models({ signal }: { readonly signal?: AbortSignal } = {}): Promise<
    readonly Readonly<Record<string, unknown>>[]
  > {
    const answer = fieldsOf(await this.#http.json('/v1/models', { signal }), 'the answer')
    return listOf(answer, 'data').map((model) => fieldsOf(model, 'a model'))
  }

  /** Which key asks, what it may, its limits, and what not every server has. */
  async me({ signal }: { readonly signal?: AbortSignal } = {}): Promise<Readonly<Record<string, unknown>>> {
    return fieldsOf(await this.#http.json('/v1/me', { signal }), 'the answer')
  }

  /** What the key has used: audio, jobs and failures, by day and model. */
  async usage({
    signal,
    ...query
  }: {
    readonly by?: 'day' | 'model'
    readonly days?: number
    readonly model?: string
    readonly signal?: AbortSignal
  } = {}): Promise<readonly Usage[]> {
    return usageOf(await this.#http.json('/v1/usage', { query, signal }))
  }

  async #place(audio: Audio, options: SubmitOptions): Promise<string> {
    const { resumeFrom, signal, onEvent } = options
    const link = linkOf(audio)
    if (link !== undefined) return link
    const body = bodyOf(audio)
    const upload =
      resumeFrom === undefined
        ? await this.uploads.create({ ...sizeOf(body), extension: extensionOf(nameOf(audio, options)), signal })
        : { url: resumeFrom, parts: undefined }
    const onProgress = (sentBytes: number, totalBytes: number | null): void =>
      onEvent?.({ type: 'upload', sentBytes, totalBytes } satisfies JobEvent)
    await this.uploads.send(upload, body, { signal, onProgress, isResumed: resumeFrom !== undefined })
    return upload.url
  }
}

function submission(url: string, audio: Audio, options: SubmitOptions): Readonly<Record<string, unknown>> {
  const { input = {}, metadata, priority, startBy, timeoutSeconds, expiresAt, webhook } = options
  return {
    ...{ URL: url, input, metadata, priority, webhook, timeout: timeoutSeconds },
    ...{ startBy: startBy?.toISOString(), expiresAt: expiresAt?.toISOString(), name: nameOf(audio, options) },
  }
}

function linkOf(audio: Audio): string | undefined {
  if (typeof audio === 'string') return audio
  return 'url' in audio && !(audio instanceof Response) ? audio.url : undefined
}

function bodyOf(audio: Audio): Blob | ReadableStream<Uint8Array> {
  if (audio instanceof Blob || audio instanceof ReadableStream) return audio
  if (audio instanceof Uint8Array) return new Blob([audio])
  if (audio instanceof Response && audio.body !== null) return audio.body
  throw new SottoError('There is no recording: the response that was given has no body.', {
    code: 'audio.none',
    retryable: false,
  })
}

function sizeOf(body: Blob | ReadableStream<Uint8Array>): { readonly bytes?: number } {
  return body instanceof Blob ? { bytes: body.size } : {}
}

/** A browser's file knows its name. */
function nameOf(audio: Audio, { name }: SubmitOptions): string | undefined {
  if (name !== undefined) return name
  return typeof audio === 'object' && 'name' in audio && typeof audio.name === 'string' ? audio.name : undefined
}

function extensionOf(name = ''): string {
  return /\.([a-z\d]{1,16})$/i.exec(name)?.[1]?.toLowerCase() ?? 'bin'
}

async function formOf(audio: Audio, input: object): Promise<Blob | Readonly<Record<string, unknown>>> {
  const link = linkOf(audio)
  if (link !== undefined) return { URL: link, input }
  const body = bodyOf(audio)
  const form = new FormData()
  form.set('file', body instanceof Blob ? body : await new Response(body).blob(), 'recording')
  form.set('input', JSON.stringify(input))
  // As a blob it has the boundary in its type, and is sent by whatever `fetch` there is.
  return await new Response(form).blob()
}

async function idempotencyKey(): Promise<string> {
  const bytes = (await webCrypto()).getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** Nothing in a browser. */
function environmentOf(): Readonly<Record<string, string | undefined>> {
  const { process } = globalThis as {
    readonly process?: { readonly env?: Readonly<Record<string, string | undefined>> }
  }
  return process?.env ?? {}
}
