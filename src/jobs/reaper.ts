import type { JobStore } from './store.ts'

export interface ReaperOptions {
  readonly jobs: Pick<JobStore, 'admit' | 'reap'>
  readonly intervalMs: number
  /** How often the process that runs a job may die before the job fails. */
  readonly crashes: number
  /** Told of each round that failed; the next one tries again. */
  readonly onError: (error: unknown) => void
}

/** Admits jobs and takes expired leases back, round after round, until it is disposed. */
export class Reaper implements AsyncDisposable {
  readonly #options: ReaperOptions
  #timer: NodeJS.Timeout | undefined
  #round: Promise<void> = Promise.resolve()
  #disposed = false

  constructor(options: ReaperOptions) {
    this.#options = options
    this.#schedule()
  }

  /** Ends the timer and waits for the round that runs, if any. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true
    clearTimeout(this.#timer)
    await this.#round
  }

  #schedule(): void {
    if (this.#disposed) return
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
    const { jobs, crashes, onError } = this.#options
    try {
      await jobs.admit()
      await jobs.reap({ crashes })
    } catch (error) {
      onError(error)
    }
  }
}
