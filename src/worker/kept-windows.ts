import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { JobStore, Lease } from '../jobs/store.ts'
import { parseWindowCheckpoint } from '../models/whisper/window-checkpoint.ts'
import type { WindowCheckpoint } from '../models/whisper/window-checkpoint.ts'

/** While the database does not answer, it is asked again this often. */
const RETRY_MS = 1000

export interface KeptWindowsOptions {
  readonly jobs: Pick<JobStore, 'keepWindow' | 'windows'>
  readonly lease: Lease
  readonly logger: Logger
  /** Called when a write finds that the lease was lost. */
  readonly onLost: () => void
  readonly retryMs?: number
}

/**
 * The windows of a running job, kept for whoever goes on with it. They are written one after the other, in their order, beside the
 * decoding, which does not wait. A database that is away for a moment costs nothing: what could not be written waits, and at worst is
 * decoded again. Disposing it forgets what still waits.
 */
export class KeptWindows implements Disposable {
  readonly #options: KeptWindowsOptions
  /** Those that are not written yet, the oldest first. */
  #waiting: WindowCheckpoint[] = []
  #writing: Promise<void> = Promise.resolve()
  #isWriting = false
  /** Aborted when no more windows come: ends the pause before the next try, which is then the last. */
  readonly #last = new AbortController()
  #finished = 0

  constructor(options: KeptWindowsOptions) {
    this.#options = options
  }

  /** Windows that were finished since it was made. */
  get finished(): number {
    return this.#finished
  }

  /** What earlier runs of the job have kept, up to the first that can't be read. */
  async read(): Promise<readonly WindowCheckpoint[]> {
    const { jobs, lease, logger } = this.#options
    const stored = await jobs.windows(lease.jobId)
    const read = stored.map(parseWindowCheckpoint)
    const damaged = read.indexOf(undefined)
    if (damaged !== -1) logger.warn({ window: damaged }, 'a kept window can’t be read; it is decoded again')
    return (damaged === -1 ? read : read.slice(0, damaged)).filter((checkpoint) => checkpoint !== undefined)
  }

  keep(checkpoint: WindowCheckpoint): void {
    this.#finished += 1
    const { ordinal, seconds } = checkpoint
    this.#options.logger.debug({ window: ordinal, seconds }, 'window finished')
    this.#waiting.push(checkpoint)
    if (!this.#isWriting) this.#writing = this.#write()
  }

  /** Resolves when all is written, or the database did not take it once more. No more windows come. */
  async flush(): Promise<void> {
    this.#last.abort()
    await this.#writing
  }

  [Symbol.dispose](): void {
    this.#waiting = []
    this.#last.abort()
  }

  async #write(): Promise<void> {
    this.#isWriting = true
    const { logger, onLost, retryMs = RETRY_MS } = this.#options
    const { signal } = this.#last
    for (let [next] = this.#waiting; next !== undefined; [next] = this.#waiting) {
      const isLastTry = signal.aborted
      try {
        if (await this.#keep(next)) {
          this.#waiting.shift()
        } else {
          this.#waiting = []
          onLost()
        }
      } catch (error) {
        if (this.#waiting.length > 0) logger.warn({ err: error, window: next.ordinal }, 'a window could not be kept')
        if (isLastTry) break
        await delay(retryMs, undefined, { signal }).catch(() => undefined)
      }
    }
    this.#isWriting = false
  }

  #keep(checkpoint: WindowCheckpoint): Promise<boolean> {
    const { jobs, lease } = this.#options
    return jobs.keepWindow(lease, checkpoint.ordinal, JSON.stringify(checkpoint), checkpoint.seconds)
  }
}
