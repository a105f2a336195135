const FIRST_PAUSE_MS = 5000
const MAX_PAUSE_MS = 6 * 3_600_000
const FACTOR = 4
/** The first one and ten more, the last of them about 26 hours later. */
export const MAX_ATTEMPTS = 11
/** So much earlier or later, so that what failed together does not come back together. */
const JITTER = 0.2

/**
 * How long to wait after a failed attempt: 5 s, 20 s, 80 s, 5 min, 21 min, 85 min, then about 6 h, and longer where the receiver says so;
 * null: that was the last one.
 * @param failures how many attempts have failed
 * @param retryAfterMs what the receiver asks for
 * @param random from 0 to 1
 */
export function pauseMs(failures: number, retryAfterMs: number | null, random: number): number | null {
  if (failures >= MAX_ATTEMPTS) return null
  const pause = Math.min(FIRST_PAUSE_MS * FACTOR ** (failures - 1), MAX_PAUSE_MS)
  const jittered = pause * (1 + JITTER * (2 * random - 1))
  return Math.max(jittered, Math.min(retryAfterMs ?? 0, MAX_PAUSE_MS))
}

/** No delivery waits longer for its next attempt. */
export const LONGEST_PAUSE_MS = MAX_PAUSE_MS * (1 + JITTER)

/** A `Retry-After`: seconds, or a date; null: there is none that can be understood. */
export function readRetryAfter(header: string | undefined, now: Date): number | null {
  if (header === undefined) return null
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000
  const date = Date.parse(header)
  return Number.isNaN(date) ? null : Math.max(0, date - now.getTime())
}
