/** A condition variable without lost wake-ups: a ring since the noted moment ends the wait at once. */
export class Wakeup {
  #rings = 0
  #waiting = new Set<() => void>()

  /** Notes the moment; to be taken before looking for work. */
  now(): number {
    return this.#rings
  }

  ring(): void {
    this.#rings += 1
    const waiting = this.#waiting
    this.#waiting = new Set()
    for (const wake of waiting) wake()
  }

  /** Resolves when the bell has rung since `moment`, or the signal is aborted. */
  async since(moment: number, signal: AbortSignal): Promise<void> {
    if (this.#rings !== moment || signal.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const wake = (): void => resolve()
    this.#waiting.add(wake)
    signal.addEventListener('abort', wake, { once: true })
    try {
      await promise
    } finally {
      this.#waiting.delete(wake)
      signal.removeEventListener('abort', wake)
    }
  }
}
