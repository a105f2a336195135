import type { Logger } from 'pino'

/** Throttles the events of a download: 20 at most, and one a second. */
const MIN_SHARE_BETWEEN_NOTES = 0.05
const MIN_MS_BETWEEN_NOTES = 1000
/** Of one whose size is not known: by then twice as much has come as when it was told of last. */
const MIN_GROWTH = 2

export interface Downloaded {
  readonly receivedBytes: number
  readonly totalBytes?: number | undefined
}

export interface DownloadNotesOptions<Progress extends Downloaded> {
  /** Writes an event. */
  readonly note: (progress: Progress) => Promise<unknown>
  readonly logger: Logger
}

/** Tells the job's history of what is fetched for it, one event after the other. Disposing it waits for the last one. */
export class DownloadNotes<Progress extends Downloaded> implements AsyncDisposable {
  readonly #options: DownloadNotesOptions<Progress>
  #writing: Promise<void> = Promise.resolve()
  #toldBytes = 0
  #toldMs = Number.NEGATIVE_INFINITY

  constructor(options: DownloadNotesOptions<Progress>) {
    this.#options = options
  }

  add(progress: Progress): void {
    const { receivedBytes, totalBytes } = progress
    const nextBytes =
      totalBytes === undefined ? this.#toldBytes * MIN_GROWTH : this.#toldBytes + totalBytes * MIN_SHARE_BETWEEN_NOTES
    const isStep = receivedBytes >= nextBytes && performance.now() >= this.#toldMs + MIN_MS_BETWEEN_NOTES
    if (receivedBytes !== totalBytes && !isStep) return
    this.#toldBytes = receivedBytes
    this.#toldMs = performance.now()
    const before = this.#writing
    this.#writing = this.#note(progress, before)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing
  }

  /** Best effort: a lost lease is for the heartbeat to find, and the next event has the same totals. */
  async #note(progress: Progress, before: Promise<void>): Promise<void> {
    await before
    const { note, logger } = this.#options
    try {
      await note(progress)
    } catch (error) {
      logger.warn({ err: error }, 'the job’s history could not be told of what is fetched for it')
    }
  }
}
