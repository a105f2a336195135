const RETRY_MS = 1_000

/**
 * A debounced action: done at once the first time, then once for all requests that came while it ran or within the interval. One that
 * failed is tried again.
 */
export class Coalesced implements AsyncDisposable {
  readonly #act: () => Promise<void>
  readonly #intervalMs: number
  readonly #onError: (error: unknown) => void
  #isAsked = false
  #isDisposed = false
  #running: Promise<void> | undefined
  /** Ends the pause between two runs. */
  #hurry: () => void = () => undefined

  constructor(act: () => Promise<void>, intervalMs: number, onError: (error: unknown) => void) {
    this.#act = act
    this.#intervalMs = intervalMs
    this.#onError = onError
  }

  ask(): void {
    this.#isAsked = true
    this.#running ??= this.#run().finally(() => (this.#running = undefined))
  }

  /** Does what was asked for, once. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true
    this.#hurry()
    await this.#running
  }

  async #run(): Promise<void> {
    // Requests of one turn of the event loop are one.
    await Promise.resolve()
    while (this.#isAsked) {
      this.#isAsked = false
      try {
        await this.#act()
        await this.#pause(this.#intervalMs)
      } catch (error) {
        this.#onError(error)
        if (this.#isDisposed) return
        this.#isAsked = true
        await this.#pause(RETRY_MS)
      }
    }
  }

  async #pause(ms: number): Promise<void> {
    if (this.#isDisposed) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#hurry = resolve
    const timer = setTimeout(resolve, ms)
    await promise
    clearTimeout(timer)
  }
}
