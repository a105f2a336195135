import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { Agent, request } from 'undici'
import { version } from '../version.ts'

const compressed = promisify(gzip)

/** What may have passed in a moment, as OTLP has it. */
const RETRYABLE: ReadonlySet<number> = new Set([429, 502, 503, 504])
const FIRST_PAUSE_MS = 500

export interface OtlpSenderOptions {
  /** `v1/traces` and `v1/metrics` are below it. */
  readonly endpoint: URL
  readonly headers: Readonly<Record<string, string>>
  readonly contentType: 'application/x-protobuf' | 'application/json'
  readonly compression: 'gzip' | 'none'
  /** PEM of whom the collector's certificate is to be by; null: whom the system trusts. */
  readonly certificate: string | null
  /** For one message, with its retries. */
  readonly timeoutMs: number
}

/**
 * Sends messages to a collector. OpenTelemetry's own exporters can't be stopped: with a collector that is away, they keep a process that has
 * ended all else alive for 7 to 12 seconds. Disposing this breaks off what is under way.
 */
export class OtlpSender implements AsyncDisposable {
  readonly #options: OtlpSenderOptions
  readonly #base: string
  readonly #agent: Agent
  readonly #stop = new AbortController()
  #isFailing = false

  constructor(options: OtlpSenderOptions) {
    this.#options = options
    this.#base = options.endpoint.href.replace(/\/+$/, '')
    const { certificate } = options
    this.#agent = new Agent(certificate === null ? {} : { connect: { ca: certificate } })
  }

  /** Whether the last try failed, be it that others follow. */
  get isFailing(): boolean {
    return this.#isFailing
  }

  /** @throws when the collector did not take it in time */
  async send(path: 'v1/traces' | 'v1/metrics', message: Uint8Array): Promise<void> {
    const { timeoutMs, compression } = this.#options
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(timeoutMs)])
    const body = compression === 'gzip' ? await compressed(message) : message
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs *= 2) {
      const failure = await this.#try(path, body, signal)
      this.#isFailing = failure !== undefined
      if (failure === undefined) return
      if (!failure.isRetryable || signal.aborted) throw failure.error
      try {
        await delay(pauseMs * (0.5 + Math.random()), undefined, { signal })
      } catch {
        throw failure.error
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#agent.destroy()
  }

  async #try(
    path: string,
    body: Uint8Array,
    signal: AbortSignal,
  ): Promise<{ readonly error: Error; readonly isRetryable: boolean } | undefined> {
    const { headers, contentType, compression } = this.#options
    try {
      const response = await request(`${this.#base}/${path}`, {
        method: 'POST',
        headers: {
          'user-agent': `Sotto/${version}`,
          ...headers,
          'content-type': contentType,
          ...(compression === 'gzip' ? { 'content-encoding': 'gzip' } : {}),
        },
        ...{ body, signal, dispatcher: this.#agent },
      })
      await response.body.dump()
      const { statusCode: status } = response
      if (status >= 200 && status < 300) return undefined
      return { error: new Error(`it answered ${status}`), isRetryable: RETRYABLE.has(status) }
    } catch (error) {
      return { error: error instanceof Error ? error : new Error(String(error)), isRetryable: true }
    }
  }
}
