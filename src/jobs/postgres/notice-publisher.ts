import { payloadsOf } from './notice.ts'

/** At most one NOTIFY in this time; a burst of submits or of settled jobs is one. */
const INTERVAL_MS = 20
const FIRST_RETRY_MS = 100
const LAST_RETRY_MS = 5_000
/** What is kept while the database takes nothing; the oldest ids go first. Heartbeats and polls find what they stood for. */
const KEPT_IDS = 10_000

export interface NoticePublisherOptions {
  readonly from: string
  readonly send: (payloads: readonly string[]) => Promise<void>
  /** Told of each failure; what was not sent is kept and sent again. */
  readonly onError: (error: unknown) => void
}

/**
 * Tells other processes of what was committed: the first news at once, and what comes within the next 20 ms, or while the one before it is
 * being sent, together.
 */
export class NoticePublisher implements AsyncDisposable {
  readonly #options: NoticePublisherOptions
  #claimable = false
  #cancelRequested: string[] = []
  #finished: string[] = []
  #running: Promise<void> | undefined
  /** Ends the wait between two sendings. */
  #hurry: () => void = () => undefined
  #disposed = false

  constructor(options: NoticePublisherOptions) {
    this.#options = options
  }

  claimable(): void {
    this.#claimable = true
    this.#start()
  }

  cancelRequested(id: string): void {
    this.#cancelRequested.push(id)
    this.#start()
  }

  finished(id: string): void {
    this.#finished.push(id)
    this.#start()
  }

  /** Sends what waits, once. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true
    this.#hurry()
    await this.#running
  }

  #start(): void {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
      if (!this.#disposed && this.#hasNews()) this.#start()
    })
  }

  async #run(): Promise<void> {
    // What is told in the same turn of the event loop goes together.
    await Promise.resolve()
    for (let failures = 0; this.#hasNews();) {
      failures = (await this.#send()) ? 0 : failures + 1
      if (this.#disposed && failures > 0) return
      await this.#wait(failures === 0 ? INTERVAL_MS : Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1)))
    }
  }

  #hasNews(): boolean {
    return this.#claimable || this.#cancelRequested.length > 0 || this.#finished.length > 0
  }

  /** Says whether it was sent; otherwise it is there again. */
  async #send(): Promise<boolean> {
    const news = { claimable: this.#claimable, cancelRequested: this.#cancelRequested, finished: this.#finished }
    this.#claimable = false
    this.#cancelRequested = []
    this.#finished = []
    try {
      await this.#options.send(payloadsOf(this.#options.from, news))
      return true
    } catch (error) {
      this.#claimable ||= news.claimable
      this.#cancelRequested = [...news.cancelRequested, ...this.#cancelRequested].slice(-KEPT_IDS)
      this.#finished = [...news.finished, ...this.#finished].slice(-KEPT_IDS)
      this.#options.onError(error)
      return false
    }
  }

  async #wait(ms: number): Promise<void> {
    if (this.#disposed) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#hurry = resolve
    const timer = setTimeout(resolve, ms)
    await promise
    clearTimeout(timer)
  }
}
