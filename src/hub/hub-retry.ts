import { setTimeout as delay } from 'node:timers/promises'
import { ModelError } from './errors.ts'

const FIRST_PAUSE_MS = 500
/** A hub that asks for more has the job come back later instead. */
const MAX_PAUSE_MS = 60_000

/** Whether the hub may answer otherwise in a moment. */
export function isTransient(error: unknown): error is ModelError {
  return error instanceof ModelError && error.retryable && (error.retryAfterMs ?? 0) <= MAX_PAUSE_MS
}

/** Exponential backoff with jitter, and at least as long as the hub asked for (`Retry-After`). */
export async function pauseBefore(retry: number, error: ModelError, signal: AbortSignal): Promise<void> {
  const pauseMs = FIRST_PAUSE_MS * 2 ** (retry - 1) * (0.5 + Math.random())
  await delay(Math.min(MAX_PAUSE_MS, Math.max(pauseMs, error.retryAfterMs ?? 0)), undefined, { signal })
}

/** `Retry-After`, in seconds or as a date. */
export function retryAfterMs(header: string | null): number | undefined {
  if (header === null) return undefined
  const ms = /^\d{1,9}$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now()
  return Number.isNaN(ms) ? undefined : Math.max(0, ms)
}
