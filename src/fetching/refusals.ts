import type { Dispatcher } from 'undici'
import { FetchError } from './errors.ts'
import type { FetchErrorCode } from './errors.ts'

/** A server may ask for hours; whoever waits for the job is better served by another try, or an error. */
const MAX_RETRY_AFTER_MS = 30_000

/** Why an answer is no recording, if it is none. Nothing of its body is told: it is for whoever asked, which was this server. */
export function refusalOf({
  statusCode: status,
  headers,
}: Pick<Dispatcher.ResponseData, 'statusCode' | 'headers'>): FetchError | undefined {
  const encoding = String(headers['content-encoding'] ?? 'identity').toLowerCase()
  if (status === 200 || status === 206) {
    if (encoding === 'identity') return undefined
    // What it would be inflated to has no bound, and it was asked not to.
    return new FetchError(
      'fetch.bad_answer',
      'The URL’s server sends the recording compressed, though it was asked not to.',
    )
  }
  const { code, hint } = meaningOf(status)
  return new FetchError(code, `The URL’s server answered ${status}${hint}`, {
    retryAfterMs: retryAfterMs(headers['retry-after']),
  })
}

function meaningOf(status: number): { readonly code: FetchErrorCode; readonly hint: string } {
  switch (status) {
    case 401:
    case 403:
    case 407:
      return {
        code: 'fetch.forbidden',
        hint: ': it gives the recording to others alone, or the URL has expired. This server sends no credentials.',
      }
    case 404:
    case 410:
      return { code: 'fetch.not_found', hint: ': there is no recording at the URL.' }
    // What was asked to go on.
    case 416:
      return { code: 'fetch.interrupted', hint: ': the recording ends before what has come of it.' }
    case 408:
    case 425:
    case 429:
      return BUSY
    default:
      return status >= 500
        ? BUSY
        : { code: 'fetch.bad_answer', hint: ', which is no answer that a recording comes by.' }
  }
}

const BUSY = { code: 'fetch.unreachable', hint: ': it is busy, or has failed.' } as const

/** Seconds, or a date. */
function retryAfterMs(header: string | string[] | undefined): number | undefined {
  if (typeof header !== 'string') return undefined
  const ms = /^\d{1,9}$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now()
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS)
}
