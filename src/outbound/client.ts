import { Agent, buildConnector, request } from 'undici'
import type { Dispatcher } from 'undici'
import type { OutboundGuard } from './guard.ts'
import { parseOutboundUrl } from './url-rules.ts'

export interface OutboundClientOptions {
  readonly guard: OutboundGuard
  readonly connectTimeoutMs?: number
  /** From the request to the answer's headers. */
  readonly headersTimeoutMs?: number
  /** Between two pieces of the answer's body. */
  readonly idleTimeoutMs?: number
}

export interface OutboundRequest {
  readonly method: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
  readonly signal: AbortSignal
}

/**
 * Asks URLs that clients named. Its connections go through the guard, never through a proxy of the environment, which would resolve names
 * by itself. It follows no redirects, inflates nothing, and sends no header that it was not given.
 */
export class OutboundClient implements AsyncDisposable {
  readonly #agent: Agent

  constructor({
    guard,
    connectTimeoutMs = 10_000,
    headersTimeoutMs = 30_000,
    idleTimeoutMs = 30_000,
  }: OutboundClientOptions) {
    const connector = buildConnector({ lookup: guard.lookup, timeout: connectTimeoutMs })
    this.#agent = new Agent({
      headersTimeout: headersTimeoutMs,
      bodyTimeout: idleTimeoutMs,
      connect: (options, callback) => {
        try {
          guard.requireHost(options.hostname)
        } catch (error) {
          callback(error instanceof Error ? error : new Error('refused', { cause: error }), null)
          return
        }
        connector(options, callback)
      },
    })
  }

  /**
   * The answer, with its body still to be read, or destroyed.
   * @throws OutboundError what may not be asked; errors of the system and of undici for what can't be
   * @throws the signal's reason when it is aborted
   */
  async request(
    target: string | URL,
    { method, headers, body, signal }: OutboundRequest,
  ): Promise<Dispatcher.ResponseData> {
    const url = parseOutboundUrl(target)
    return await request(url, {
      dispatcher: this.#agent,
      method,
      headers: { 'accept-encoding': 'identity', ...headers },
      body: body ?? null,
      signal,
    })
  }

  /** Breaks off what is still on its way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy()
  }
}
