import type { Dispatcher } from 'undici'
import { OutboundError } from '../outbound/errors.ts'
import type { OutboundClient } from '../outbound/client.ts'
import { parseOutboundUrl } from '../outbound/url-rules.ts'
import { FetchError } from './errors.ts'
import { refusalOf } from './refusals.ts'

const MAX_REDIRECTS = 5
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

export interface Question {
  readonly url: string | URL
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}

export type Answer = Dispatcher.ResponseData

/**
 * A GET and the redirects that it is answered with, each of which is judged as the URL itself was. No credentials are sent, so none are
 * carried elsewhere.
 * @throws FetchError, the signal's reason
 */
export async function ask(client: OutboundClient, { url, headers, signal }: Question): Promise<Answer> {
  try {
    let target = parseOutboundUrl(url)
    for (let redirects = 0; ; redirects++) {
      const answer = await client.request(target, { method: 'GET', headers, signal })
      if (!REDIRECTS.has(answer.statusCode)) return answer
      answer.body.on('error', ignore).destroy()
      if (redirects === MAX_REDIRECTS) throw refused(`redirects more than ${MAX_REDIRECTS} times`)
      target = redirectionOf(target, answer.headers.location)
    }
  } catch (error) {
    signal.throwIfAborted()
    throw translated(error)
  }
}

/** An answer that is left unread is destroyed, which is no error. */
export function ignore(): void {}

/**
 * Where a `Location` leads to.
 * @throws FetchError `fetch.refused`
 */
export function redirectionOf(from: URL, location: unknown): URL {
  const target = typeof location === 'string' ? URL.parse(location, from) : null
  if (target === null) throw refused('redirects to what is no URL')
  // Whoever listens on the way could put another recording in its place.
  if (from.protocol === 'https:' && target.protocol !== 'https:') throw refused('redirects from https to http')
  return target
}

function refused(what: string): FetchError {
  return new FetchError('fetch.refused', `The URL’s server ${what}, which is not followed.`)
}

/** Errors of the system, of TLS and of the HTTP client have a code. One text for all: it tells nobody which ports are open. */
function translated(error: unknown): unknown {
  if (error instanceof FetchError || !(error instanceof Error) || !('code' in error)) return error
  if (error instanceof OutboundError) {
    const code = error.code === 'outbound.refused' ? 'fetch.refused' : 'fetch.unreachable'
    return new FetchError(code, error.message, { cause: error })
  }
  return unreachable(error)
}

export function unreachable(cause: unknown): FetchError {
  return new FetchError('fetch.unreachable', 'The URL’s server can’t be reached, or does not answer as one should.', {
    cause,
  })
}

/**
 * An answer with a recording in it.
 * @throws FetchError for any other
 */
export function requireRecording(answer: Answer): Answer {
  const refusal = refusalOf(answer)
  if (refusal === undefined) return answer
  answer.body.on('error', ignore).destroy()
  throw refusal
}
