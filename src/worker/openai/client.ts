import { Agent, request } from 'undici'
import type { Dispatcher, FormData } from 'undici'
import { RemoteError, badAnswer } from './errors.ts'
import { refusal } from './refusal.ts'

/** A server that is there accepts at once; one that is not shall not hold a job up. */
const CONNECT_TIMEOUT_MS = 10_000
const CHECK_TIMEOUT_MS = 4000
/** A day's transcript with the times of all words has about half of this. */
const MAX_ANSWER_BYTES = 64 * 2 ** 20
/** Enough of an error's body for its message. */
const MAX_REFUSAL_BYTES = 64 * 2 ** 10

export interface OpenAiClientOptions {
  /** What `/audio/transcriptions` is appended to; without a slash at the end. */
  readonly baseUrl: string
  readonly apiKey: string | null
  /** For one recording, its upload included. */
  readonly timeoutMs: number
}

/** The HTTP side of an OpenAI-compatible server. Redirects are not followed: the recording goes to the configured address alone. */
export class OpenAiClient implements AsyncDisposable {
  readonly #options: OpenAiClientOptions
  // The time limit is on the whole request: headers come when an hour of audio is done, later than undici waits by itself.
  readonly #agent = new Agent({ connect: { timeout: CONNECT_TIMEOUT_MS }, headersTimeout: 0, bodyTimeout: 0 })

  constructor(options: OpenAiClientOptions) {
    this.#options = options
  }

  /**
   * The JSON of its answer, not yet validated.
   * @throws RemoteError
   * @throws the signal's reason when it is aborted; the connection is closed then
   */
  async post(path: string, form: FormData, signal: AbortSignal): Promise<unknown> {
    const timeout = AbortSignal.timeout(this.#options.timeoutMs)
    try {
      const response = await this.#request('POST', path, { body: form, signal: AbortSignal.any([signal, timeout]) })
      const { statusCode, headers, body } = response
      if (statusCode !== 200) {
        const text = await read(body, MAX_REFUSAL_BYTES)
        throw refusal({ status: statusCode, headers, text: text ?? '' }, this.#options.apiKey)
      }
      const text = await read(body, MAX_ANSWER_BYTES)
      if (text === undefined) throw badAnswer(`has more than ${MAX_ANSWER_BYTES / 2 ** 20} MB`)
      return parse(text)
    } catch (error) {
      signal.throwIfAborted()
      if (timeout.aborted) {
        const seconds = this.#options.timeoutMs / 1000
        throw new RemoteError('engine.timeout', `The transcription server has not answered within ${seconds} s.`, {
          cause: error,
        })
      }
      throw translate(error)
    }
  }

  /** Fails unless the server answers, whatever it says of the request: it may have no list of models, or want no key for it. */
  async check(signal: AbortSignal): Promise<void> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(CHECK_TIMEOUT_MS)])
    const { statusCode, body } = await this.#request('GET', '/models', { signal: limit })
    await body.dump()
    if (statusCode >= 500)
      throw new RemoteError('engine.unavailable', `The transcription server answers ${statusCode}.`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy()
  }

  async #request(
    method: 'GET' | 'POST',
    path: string,
    options: { readonly body?: FormData; readonly signal: AbortSignal },
  ): Promise<Dispatcher.ResponseData> {
    const { baseUrl, apiKey } = this.#options
    const headers: Record<string, string> = apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }
    return await request(`${baseUrl}${path}`, { dispatcher: this.#agent, method, headers, ...options })
  }
}

/** Undefined when it is longer; the connection is closed then. */
async function read(body: Dispatcher.ResponseData['body'], maxBytes: number): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > maxBytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's own message quotes the text, which may be a transcript.
    throw badAnswer('is not JSON')
  }
}

/** Errors of the system and of the HTTP client have a code; anything else, such as an unreadable recording, is not the server's. */
function translate(error: unknown): unknown {
  if (error instanceof RemoteError || !(error instanceof Error)) return error
  if (!('code' in error) || typeof error.code !== 'string') return error
  return new RemoteError(
    'engine.unreachable',
    'The transcription server can’t be reached, or broke the connection off.',
    {
      cause: error,
    },
  )
}
