/** Longest wait that a server's `Retry-After` is obeyed for. */
const MAX_RETRY_AFTER_MS = 120_000
const FIRST_DELAY_MS = 500
const MAX_DELAY_MS = 20_000

/**
 * Full jitter over 0.5 s · 2ⁿ, up to 20 s (M. Brooker, "Exponential Backoff And Jitter", 2015), and not before the server's `Retry-After`.
 * @param attempt of those that failed, from 0
 */
export function retryDelayMs(attempt: number, retryAfterMs = 0): number {
  const ceiling = Math.min(FIRST_DELAY_MS * 2 ** attempt, MAX_DELAY_MS)
  return Math.max(Math.random() * ceiling, Math.min(retryAfterMs, MAX_RETRY_AFTER_MS))
}

/** Milliseconds of a `Retry-After` or `retry-after-ms`: seconds, fractions included, or a date. */
export function retryAfterMsOf(headers: Headers): number | undefined {
  const milliseconds = Number(headers.get('retry-after-ms') ?? NaN)
  if (milliseconds >= 0) return milliseconds
  const given = headers.get('retry-after')
  if (given === null) return undefined
  const seconds = Number(given)
  if (seconds >= 0) return seconds * 1000
  const at = Date.parse(given)
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now())
}

/** Rejects with the signal's reason as soon as it is aborted. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted()
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    const onAbort = (): void => {
      clearTimeout(timer)
      reject(signal?.reason as Error)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** A signal that is aborted with any of others, or by itself. */
export interface LinkedSignal {
  readonly signal: AbortSignal
  abort(reason: unknown): void
  /** Lets go of the other one. */
  release(): void
}

/** AbortSignal.any, which Node 18 does not have. */
export function linkedTo(signal: AbortSignal | undefined): LinkedSignal {
  const controller = new AbortController()
  const onAbort = (): void => controller.abort(signal?.reason)
  if (signal?.aborted === true) onAbort()
  else signal?.addEventListener('abort', onAbort, { once: true })
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    release: () => signal?.removeEventListener('abort', onAbort),
  }
}
