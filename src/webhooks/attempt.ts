import type { IncomingHttpHeaders } from 'node:http'
import { CodedError, hasCode } from '../contract/coded-error.ts'
import { version } from '../version.ts'
import type { AttemptCode } from './delivery-codes.ts'
import { readRetryAfter } from './retry.ts'
import { signedHeaders } from './secret.ts'
import type { SignedMessage } from './secret.ts'

/** Standard Webhooks: 15 to 30 s. */
const TIMEOUT_MS = 15_000
/** Of an answer: what is more is not waited for. */
const MAX_ANSWER_BYTES = 65_536
/** Of it, what the log keeps. */
const MAX_EXCERPT_BYTES = 1024
const MAX_DETAIL_LENGTH = 500

/** What one request to a receiver came to, as the log of deliveries keeps it. */
export interface Attempt {
  readonly durationMs: number
  /** The HTTP status of the answer; null: there was none. */
  readonly status: number | null
  /** Why it failed; null: the receiver took it. */
  readonly code: AttemptCode | null
  readonly detail: string | null
  /** The beginning of the answer's body; null: there was no answer. */
  readonly answer: string | null
}

export interface AttemptResult {
  readonly attempt: Attempt
  /** What the receiver asks for by its `Retry-After`. */
  readonly retryAfterMs: number | null
}

/** Asks a URL that may be asked, by a connection that is guarded. It follows no redirects. */
export interface GuardedClient {
  request(
    url: string,
    options: {
      readonly method: 'POST'
      readonly headers: Readonly<Record<string, string>>
      readonly body: string
      readonly signal: AbortSignal
    },
  ): Promise<{
    readonly statusCode: number
    readonly headers: IncomingHttpHeaders
    readonly body: AsyncIterable<unknown> & { destroy(): unknown }
  }>
}

export interface AttemptOptions {
  readonly client: GuardedClient
  readonly url: string
  readonly message: SignedMessage
  readonly secrets: readonly string[]
  /** @throws its reason */
  readonly signal: AbortSignal
  /** Of the request, until the answer is read. */
  readonly timeoutMs?: number
}

/**
 * Tells a receiver one thing, once. Whatever comes of it is the answer; only 2xx is a success.
 * @throws the signal's reason
 */
export async function tryDelivery(options: AttemptOptions): Promise<AttemptResult> {
  const { client, url, message, secrets, signal, timeoutMs = TIMEOUT_MS } = options
  const timeout = AbortSignal.timeout(timeoutMs)
  const startedMs = performance.now()
  const ended = (attempt: Omit<Attempt, 'durationMs'>): Attempt => ({
    ...attempt,
    durationMs: Math.round(performance.now() - startedMs),
  })
  try {
    const { statusCode, headers, body } = await client.request(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': `Sotto/${version}`,
        ...signedHeaders(message, secrets),
      },
      body: message.body,
      signal: AbortSignal.any([signal, timeout]),
    })
    const answer = await excerptOf(body)
    const attempt = ended({ status: statusCode, ...judged(statusCode, headers), answer })
    return { attempt, retryAfterMs: readRetryAfter(headers['retry-after'], new Date()) }
  } catch (error) {
    signal.throwIfAborted()
    const reason: Pick<Attempt, 'code' | 'detail'> = timeout.aborted
      ? { code: 'timeout', detail: null }
      : failureOf(error)
    return { attempt: ended({ status: null, ...reason, answer: null }), retryAfterMs: null }
  }
}

function judged(status: number, { location }: IncomingHttpHeaders): Pick<Attempt, 'code' | 'detail'> {
  if (status >= 200 && status < 300) return { code: null, detail: null }
  if (status >= 300 && status < 400) return { code: 'redirected', detail: bounded(location) }
  return { code: status === 410 ? 'gone' : 'status', detail: null }
}

/** The beginning of what the receiver says; the rest is read to a bound, so that the connection can be used again. */
async function excerptOf(body: AsyncIterable<unknown> & { destroy(): unknown }): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of body) {
      if (!Buffer.isBuffer(chunk)) continue
      if (length < MAX_EXCERPT_BYTES) chunks.push(chunk.subarray(0, MAX_EXCERPT_BYTES - length))
      length += chunk.length
      if (length > MAX_ANSWER_BYTES) break
    }
  } catch {
    // The status has come: an answer that breaks off or never ends says no less.
  } finally {
    body.destroy()
  }
  // No text of PostgreSQL may have a NUL.
  return Buffer.concat(chunks).toString('utf8').replaceAll('\0', '\uFFFD')
}

/** Codes of Node, OpenSSL and undici: of certificates that are not trusted, or not of this host. */
const UNTRUSTED =
  /^(?:CERT_|ERR_TLS_CERT|ERR_SSL|EPROTO$|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_|INVALID_CA|HOSTNAME_MISMATCH)/

function failureOf(error: unknown): Pick<Attempt, 'code' | 'detail'> {
  if (error instanceof CodedError) {
    return hasCode(error, 'outbound.refused')
      ? { code: 'refused', detail: null }
      : { code: 'unreachable', detail: error.code }
  }
  const code = codeOf(error)
  return { code: code !== null && UNTRUSTED.test(code) ? 'untrusted' : 'unreachable', detail: bounded(code) }
}

/** Of the error, or of those that it consists of: one for each address that was tried. */
function codeOf(error: unknown): string | null {
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0])
  if (!(error instanceof Error)) return null
  return 'code' in error && typeof error.code === 'string' ? error.code : codeOf(error.cause)
}

function bounded(text: string | null | undefined): string | null {
  return text === null || text === undefined ? null : text.replaceAll('\0', '\uFFFD').slice(0, MAX_DETAIL_LENGTH)
}
