import { ApiError } from '../errors/api-error.ts'

const WINDOW_MS = 1000

/** Counts what is asked within a second, by whom. What it remembers is gone with the second. */
export class RequestRate {
  readonly #max: number
  readonly #counts = new Map<string, number>()
  #sinceMs = Number.NEGATIVE_INFINITY

  constructor(maxRequestsPerSecond: number) {
    this.#max = maxRequestsPerSecond
  }

  /**
   * Counts one more.
   * @throws ApiError 429 when that is too many
   */
  take(name: string): void {
    this.requireRoom(name)
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
  }

  /** @throws ApiError 429 when one more would be too many */
  requireRoom(name: string): void {
    const now = performance.now()
    if (now - this.#sinceMs >= WINDOW_MS) {
      this.#counts.clear()
      this.#sinceMs = now
    }
    if ((this.#counts.get(name) ?? 0) < this.#max) return
    throw new ApiError(
      429,
      `This server answers ${this.#max} requests of one API key in a second, and as many without a valid one from one address. ` +
        'Ask less often.',
      { headers: { 'retry-after': '1' } },
    )
  }
}
