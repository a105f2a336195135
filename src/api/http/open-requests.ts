/** Requests that stay open on purpose, as streams and polls that wait do: so many of a key, and none when the server closes. */
export class OpenRequests {
  readonly #maxPerKey: number | null
  /** What ends each of them. */
  readonly #ends = new Set<() => void>()
  readonly #counts = new Map<string, number>()
  #isClosed = false

  /** @param maxPerKey null: any number */
  constructor(maxPerKey: number | null) {
    this.#maxPerKey = maxPerKey
  }

  /**
   * Counts one more, until it is disposed of.
   * @param end is called when the server closes, which may be at once
   * @returns undefined: the key has as many as it may have
   */
  enter(owner: string, end: () => void): Disposable | undefined {
    const count = this.#counts.get(owner) ?? 0
    if (this.#maxPerKey !== null && count >= this.#maxPerKey) return undefined
    const own = (): void => end()
    this.#ends.add(own)
    this.#counts.set(owner, count + 1)
    if (this.#isClosed) end()
    return {
      [Symbol.dispose]: () => {
        if (this.#ends.delete(own)) this.#leave(owner)
      },
    }
  }

  /** Ends all, and what comes later as well. */
  close(): void {
    this.#isClosed = true
    for (const end of [...this.#ends]) end()
  }

  #leave(owner: string): void {
    const left = (this.#counts.get(owner) ?? 1) - 1
    if (left === 0) this.#counts.delete(owner)
    else this.#counts.set(owner, left)
  }
}
