export interface RoundsOptions {
  readonly intervalMs: number
  readonly run: (signal: AbortSignal) => Promise<void>
  /** Told of each round that failed; the next one tries again. */
  readonly onError: (error: unknown) => void
}

/** Runs an action periodically, never two rounds at once, until it is disposed. */
export class Rounds implements AsyncDisposable {
  readonly #options: RoundsOptions
  readonly #stop = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #round: Promise<void> = Promise.resolve()

  constructor(options: RoundsOptions) {
    this.#options = options
    this.#schedule()
  }

  /** Ends the timer and waits for the round that runs, if any. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    clearTimeout(this.#timer)
    await this.#round
  }

  #schedule(): void {
    if (this.#stop.signal.aborted) return
    const { intervalMs } = this.#options
    const dueMs = Date.now() + intervalMs
    this.#timer = setTimeout(() => {
      // A machine that slept, or a process that was stopped, finds its own leases expired. The heartbeats get a round's time
      // to prolong them, or each sleep would count as a crash.
      const slept = Date.now() - dueMs > intervalMs
      this.#round = (slept ? Promise.resolve() : this.#run()).then(() => this.#schedule())
    }, intervalMs)
    this.#timer.unref()
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    try {
      await this.#options.run(signal)
    } catch (error) {
      if (!signal.aborted) this.#options.onError(error)
    }
  }
}
