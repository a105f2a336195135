import { setTimeout as delay } from 'node:timers/promises'
import { hasCode } from '../../contract/coded-error.ts'

export interface Patience {
  readonly totalMs: number
  readonly firstPauseMs: number
  /** Each pause is twice the one before, up to this. */
  readonly longestPauseMs: number
}

/** A store that is away for a restart, or a network that is, costs neither a transcript nor one of a job's few tries. */
const PATIENCE: Patience = { totalMs: 600_000, firstPauseMs: 1000, longestPauseMs: 15_000 }

/**
 * Retries with exponential backoff while the payload store or the jobs table is unavailable, up to a time limit.
 * @param onPause is told of the first failure
 * @throws the signal's reason when it is aborted meanwhile, and what the action threw last or for other reasons
 */
export async function patiently<T>(
  action: () => Promise<T>,
  signal: AbortSignal,
  onPause: (error: unknown) => void,
  { totalMs, firstPauseMs, longestPauseMs }: Patience = PATIENCE,
): Promise<T> {
  const endMs = performance.now() + totalMs
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
    try {
      return await action()
    } catch (error) {
      if (!isUnavailable(error) || performance.now() + pauseMs > endMs) throw error
      if (pauseMs === firstPauseMs) onPause(error)
      await delay(pauseMs, undefined, { signal }).catch(() => signal.throwIfAborted())
    }
  }
}

function isUnavailable(error: unknown): boolean {
  return hasCode(error, 'payload.unavailable') || hasCode(error, 'store.unavailable')
}
