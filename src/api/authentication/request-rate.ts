import { ApiError } from '../errors/api-error.ts'
import { WINDOW_SECONDS, openAiRateHeaders, rateHeaders } from './rate-headers.ts'
import type { Quota, RateState } from './rate-headers.ts'

/** Counts what is asked within fixed windows of time, by whom. What it remembers is gone with the window. */
export class RequestRate {
  readonly #windows: Readonly<Record<Quota['window'], Window>>

  /** @param clock in milliseconds */
  constructor(clock: () => number = () => performance.now()) {
    this.#windows = { second: new Window('second', clock), minute: new Window('minute', clock) }
  }

  /**
   * Counts one more.
   * @throws ApiError 429 when that is too many
   */
  take(name: string, quota: Quota): RateState {
    this.requireRoom(name, quota)
    const window = this.#windows[quota.window]
    const taken = window.add(name)
    return { quota, remaining: Math.max(0, quota.requests - taken), resetMs: window.resetMs() }
  }

  /** @throws ApiError 429 when one more would be too many */
  requireRoom(name: string, quota: Quota): void {
    const window = this.#windows[quota.window]
    if (window.count(name) >= quota.requests) throw tooMany({ quota, remaining: 0, resetMs: window.resetMs() })
  }
}

class Window {
  readonly #lengthMs: number
  readonly #clock: () => number
  readonly #counts = new Map<string, number>()
  #sinceMs = Number.NEGATIVE_INFINITY

  constructor(length: Quota['window'], clock: () => number) {
    this.#lengthMs = WINDOW_SECONDS[length] * 1000
    this.#clock = clock
  }

  count(name: string): number {
    const now = this.#clock()
    if (now - this.#sinceMs >= this.#lengthMs) {
      this.#counts.clear()
      this.#sinceMs = now
    }
    return this.#counts.get(name) ?? 0
  }

  add(name: string): number {
    const count = this.count(name) + 1
    this.#counts.set(name, count)
    return count
  }

  resetMs(): number {
    return Math.max(0, this.#sinceMs + this.#lengthMs - this.#clock())
  }
}

function tooMany(state: RateState): ApiError {
  const { requests, window } = state.quota
  return new ApiError(
    429,
    `This server answers ${requests} requests of one API key in a ${window}, and as many without a valid one from one address. ` +
      'Ask less often.',
    {
      headers: {
        'retry-after': String(Math.max(1, Math.ceil(state.resetMs / 1000))),
        ...rateHeaders(state),
        ...openAiRateHeaders(state),
      },
    },
  )
}
