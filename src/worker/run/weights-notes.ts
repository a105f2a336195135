import type { Logger } from 'pino'
import type { WeightsFetched } from '../../contract/job-event.ts'
import type { JobStore, Lease } from '../../jobs/job-store.ts'

/** Throttles the events of a download: 20 at most, and one a second. */
const MIN_SHARE_BETWEEN_NOTES = 0.05
const MIN_MS_BETWEEN_NOTES = 1000

export interface WeightsNotesOptions {
  readonly jobs: Pick<JobStore, 'noteWeights'>
  readonly lease: Lease
  readonly logger: Logger
}

/** Tells the job's history of weights that are fetched for it, one event after the other. Disposing it waits for the last one. */
export class WeightsNotes implements AsyncDisposable {
  readonly #options: WeightsNotesOptions
  #writing: Promise<void> = Promise.resolve()
  #toldShare = 0
  #toldMs = Number.NEGATIVE_INFINITY

  constructor(options: WeightsNotesOptions) {
    this.#options = options
  }

  add(weights: WeightsFetched): void {
    const share = weights.receivedBytes / weights.totalBytes
    const isStep =
      share >= this.#toldShare + MIN_SHARE_BETWEEN_NOTES && performance.now() >= this.#toldMs + MIN_MS_BETWEEN_NOTES
    if (share < 1 && !isStep) return
    this.#toldShare = share
    this.#toldMs = performance.now()
    const before = this.#writing
    this.#writing = this.#note(weights, before)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing
  }

  /** Best effort: a lost lease is for the heartbeat to find, and the next event has the same totals. */
  async #note({ receivedBytes, totalBytes }: WeightsFetched, before: Promise<void>): Promise<void> {
    await before
    const { jobs, lease, logger } = this.#options
    try {
      await jobs.noteWeights(lease, { receivedBytes, totalBytes })
    } catch (error) {
      logger.warn({ err: error }, 'the job’s history could not be told of weights that are fetched')
    }
  }
}
