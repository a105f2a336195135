import { ApiError, ConnectionError, SottoError, TimedOut, apiError } from './errors.ts'
import { linkedTo, retryAfterMsOf, retryDelayMs, sleep } from './waiting.ts'

export const VERSION = '0.1.0'

export interface HttpOptions {
  readonly baseUrl: string
  readonly apiKey: string | (() => string | Promise<string>) | undefined
  readonly fetch: typeof fetch
  /** Tries beyond the first. */
  readonly maxRetries: number
  /** Until the answer's headers. */
  readonly timeoutMs: number
  readonly headers: RequestInit['headers'] | undefined
  readonly credentials: RequestInit['credentials'] | undefined
  readonly onRequest: ((request: RequestForLog) => void) | undefined
}

/** What may be logged of a request: no key, no query. */
export interface RequestForLog {
  readonly method: string
  readonly path: string
  readonly attempt: number
  /** Null: no answer came. */
  readonly status: number | null
  readonly requestId: string | undefined
  readonly durationMs: number
}

export interface Call {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'HEAD'
  readonly query?: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>
  readonly json?: unknown
  readonly body?: Blob | Uint8Array<ArrayBuffer>
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
  /** False: the URL is presigned, and no key is sent. */
  readonly isAuthorised?: boolean
  /** Default: as the client's. */
  readonly maxRetries?: number
  readonly timeoutMs?: number
  /** Statuses from 400 on that are an answer and no error. */
  readonly accepts?: readonly number[]
}

/** Requests, tried again where that is safe and may help. */
export class Http {
  readonly options: HttpOptions
  /** What lets go of the caller's signal once an answer has been read. */
  readonly #links = new WeakMap<Response, () => void>()

  constructor(options: HttpOptions) {
    this.options = options
  }

  /**
   * @param target a path of the server's, or a whole URL
   * @throws ApiError, ConnectionError, TimedOut; the signal's reason
   */
  async request(target: string, call: Call = {}): Promise<Response> {
    const { signal, maxRetries = this.options.maxRetries } = call
    for (let attempt = 0; ; attempt++) {
      signal?.throwIfAborted()
      try {
        return await this.#attempt(target, call, attempt)
      } catch (error) {
        signal?.throwIfAborted()
        if (!(error instanceof SottoError) || !error.retryable || attempt >= maxRetries) throw error
        await sleep(retryDelayMs(attempt, error instanceof ApiError ? error.retryAfterMs : 0), signal)
      }
    }
  }

  /** As `request`, and reads the JSON of the answer. */
  async json(target: string, call: Call = {}): Promise<unknown> {
    const response = await this.request(target, { ...call, headers: { accept: 'application/json', ...call.headers } })
    const text = await this.#read(response, call.signal)
    try {
      return JSON.parse(text) as unknown
    } catch (cause) {
      const message = `What answers at ${pathOf(this.urlOf(target, {}))} is no Sotto: its answer is not JSON.`
      throw new SottoError(message, { code: 'answer.invalid', retryable: false, cause })
    }
  }

  /** As `request`, and reads the text of the answer. */
  async text(target: string, call: Call = {}): Promise<string> {
    return await this.#read(await this.request(target, call), call.signal)
  }

  /** To be called when an answer has been read, or is not to be read any further. */
  release(response: Response): void {
    this.#links.get(response)?.()
  }

  urlOf(target: string, query: NonNullable<Call['query']>): URL {
    const { baseUrl } = this.options
    const url = new URL(/^https?:/i.test(target) ? target : `${baseUrl.replace(/\/+$/, '')}${target}`)
    for (const [name, value] of Object.entries(query)) {
      // A list is one parameter several times.
      const values = typeof value === 'object' ? value : value === undefined ? [] : [String(value)]
      for (const each of values) url.searchParams.append(name, each)
    }
    return url
  }

  async #attempt(target: string, call: Call, attempt: number): Promise<Response> {
    const { method = 'GET', query = {}, signal, accepts = [], timeoutMs = this.options.timeoutMs } = call
    const url = this.urlOf(target, query)
    const headers = await this.#headers(call)
    const body = call.json === undefined ? call.body : JSON.stringify(call.json)
    const linked = linkedTo(signal)
    const timer = setTimeout(() => linked.abort(new TimedOut(`No answer within ${timeoutMs} ms.`)), timeoutMs)
    const startMs = Date.now()
    const log = (response: Response | null): void =>
      this.options.onRequest?.({
        ...{ method, path: pathOf(url), attempt, status: response?.status ?? null, durationMs: Date.now() - startMs },
        requestId: requestIdOf(response),
      })
    try {
      const response = await this.options.fetch(url, {
        ...{ method, headers, signal: linked.signal },
        ...(body === undefined ? {} : { body }),
        ...(this.options.credentials === undefined ? {} : { credentials: this.options.credentials }),
      })
      log(response)
      if (response.status >= 400 && !accepts.includes(response.status)) throw await errorOf(response)
      // Reading the answer is aborted with the caller's signal, too.
      this.#links.set(response, () => linked.release())
      return response
    } catch (error) {
      linked.release()
      if (error instanceof SottoError) throw error
      log(null)
      signal?.throwIfAborted()
      if (linked.signal.aborted) throw linked.signal.reason
      throw new ConnectionError(`${url.origin} was not reached, or the connection broke.`, error)
    } finally {
      clearTimeout(timer)
    }
  }

  async #headers({ json, headers = {}, isAuthorised = true }: Call): Promise<Headers> {
    const all = new Headers(this.options.headers)
    all.set('sotto-client', `js/${VERSION}`)
    const { apiKey } = this.options
    const key = typeof apiKey === 'function' ? await apiKey() : apiKey
    if (isAuthorised && key !== undefined) all.set('authorization', `Bearer ${key}`)
    if (json !== undefined) all.set('content-type', 'application/json')
    for (const [name, value] of Object.entries(headers)) all.set(name, value)
    return all
  }

  async #read(response: Response, signal: AbortSignal | undefined): Promise<string> {
    try {
      return await response.text()
    } catch (error) {
      signal?.throwIfAborted()
      throw new ConnectionError('The connection broke within the answer.', error)
    } finally {
      this.release(response)
    }
  }
}

async function errorOf(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => '')
  let body: unknown = text
  try {
    body = JSON.parse(text) as unknown
  } catch {
    // A proxy's page: its text says more than nothing.
  }
  const answer = { status: response.status, body, requestId: requestIdOf(response) }
  return apiError({ ...answer, retryAfterMs: retryAfterMsOf(response.headers) })
}

function requestIdOf(response: Response | null): string | undefined {
  return response?.headers.get('x-request-id') ?? undefined
}

function pathOf(url: URL): string {
  return url.pathname
}
