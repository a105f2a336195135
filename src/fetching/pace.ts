/** What a server has to send at least, on the average of a while. */
export interface LeastRate {
  readonly windowMs: number
  /** In each of these. */
  readonly bytes: number
}

/** Holds what comes against a least rate. Only the time in which it is waited for counts: a slow disk here is not the server's fault. */
export class Pace {
  readonly #least: LeastRate
  #waitedMs = 0
  #bytes = 0

  constructor(least: LeastRate) {
    this.#least = least
  }

  /** So many bytes came after so long; false: they come too slowly. */
  add(bytes: number, waitedMs: number): boolean {
    this.#waitedMs += waitedMs
    this.#bytes += bytes
    if (this.#waitedMs < this.#least.windowMs) return true
    const isEnough = this.#bytes >= this.#least.bytes
    this.#waitedMs = 0
    this.#bytes = 0
    return isEnough
  }
}
