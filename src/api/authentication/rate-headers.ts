import type { LimitError } from '../../jobs/errors.ts'

/** How many requests are answered within a window of time. */
export interface Quota {
  readonly requests: number
  readonly window: 'second' | 'minute'
}

/** What is left of a quota, and when the next window begins. */
export interface RateState {
  readonly quota: Quota
  readonly remaining: number
  readonly resetMs: number
}

export const WINDOW_SECONDS: Readonly<Record<Quota['window'], number>> = { second: 1, minute: 60 }

/**
 * What an answer says of the quota: draft-ietf-httpapi-ratelimit-headers-11 (`RateLimit-Policy`, `RateLimit`: structured fields), and the
 * three fields of its drafts up to 06, which most clients still read. All times are seconds from now.
 */
export function rateHeaders({ quota: { requests, window }, remaining, resetMs }: RateState): Record<string, string> {
  const seconds = WINDOW_SECONDS[window]
  const reset = Math.max(1, Math.ceil(resetMs / 1000))
  return {
    'ratelimit-policy': `"requests";q=${requests};w=${seconds}`,
    ratelimit: `"requests";r=${remaining};t=${reset}`,
    'ratelimit-limit': String(requests),
    'ratelimit-remaining': String(remaining),
    'ratelimit-reset': String(reset),
  }
}

/** What a refusal says of a limit of jobs or of audio, in the drafts' form. */
export function limitHeaders({ limit, retryAfterSeconds }: LimitError): Record<string, string> {
  if (limit === null) return {}
  const { name, quota, remaining, windowSeconds } = limit
  const window = windowSeconds === null ? '' : `;w=${windowSeconds}`
  return {
    'ratelimit-policy': `"${name}";q=${quota};qu="${name}"${window}`,
    ratelimit: `"${name}";r=${remaining};t=${retryAfterSeconds}`,
  }
}

/** The same as OpenAI's clients read it. */
export function openAiRateHeaders({ quota: { requests }, remaining, resetMs }: RateState): Record<string, string> {
  return {
    'x-ratelimit-limit-requests': String(requests),
    'x-ratelimit-remaining-requests': String(remaining),
    'x-ratelimit-reset-requests': openAiDuration(resetMs),
  }
}

/** Where OpenAI's clients ask. */
export function isOpenAiPath(path: string): boolean {
  return /^\/+(?:openai\/|v1\/audio\/)/.test(path)
}

/** As Go writes it, like OpenAI: `20ms`, `1.2s`, `1m0s`. */
function openAiDuration(ms: number): string {
  const whole = Math.ceil(ms)
  if (whole < 1000) return `${whole}ms`
  const minutes = Math.floor(whole / 60_000)
  const seconds = `${(whole % 60_000) / 1000}s`
  return minutes === 0 ? seconds : `${minutes}m${seconds}`
}
