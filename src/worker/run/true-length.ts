import type { Logger } from 'pino'
import { hasCode } from '../../contract/coded-error.ts'
import { EXPRESS_SECONDS } from '../../jobs/queue/queue-order.ts'
import type { ClaimedJob, JobStore } from '../../jobs/job-store.ts'

export interface TrueLengthOptions {
  readonly jobs: Pick<JobStore, 'correctLength' | 'release'>
  readonly claimed: ClaimedJob
  /** Whether what runs the job decodes it here, and so can end it before the first window. */
  readonly decodesHere: boolean
  readonly logger: Logger
  /** Called when a write finds that the lease was lost. */
  readonly onLost: () => void
}

/** How long the recording of a running job really is, whatever its header said: told to the store as soon as it is known. */
export class TrueLength {
  /** Whether it counts as short: it may have a place that is kept for short ones, as long as it is one. */
  readonly isExpress: boolean
  /** Longer recordings are to be refused; null: none is. */
  readonly limitSeconds: number | null
  readonly #options: TrueLengthOptions
  readonly #isToldShort: boolean
  /** As the store has it. */
  #countedSeconds: number
  #writing: Promise<void> = Promise.resolve()

  constructor(options: TrueLengthOptions) {
    const { audioSeconds, maxAudioSeconds } = options.claimed.job
    this.#options = options
    this.#countedSeconds = audioSeconds
    this.isExpress = audioSeconds <= EXPRESS_SECONDS
    this.#isToldShort =
      options.decodesHere && this.isExpress && (maxAudioSeconds === null || maxAudioSeconds > EXPRESS_SECONDS)
    this.limitSeconds = this.#isToldShort ? EXPRESS_SECONDS : maxAudioSeconds
  }

  /** The recording is decoded: written beside the transcription, which does not wait. */
  found(seconds: number): void {
    this.#writing = this.#writing.then(() => this.#write(seconds))
  }

  /** Resolves when the store knows that it is so long, or did not take it once more. */
  async confirm(seconds: number): Promise<void> {
    // A server that does not say how long a recording is.
    if (seconds > 0) this.found(seconds)
    await this.#writing
  }

  /**
   * Gives a job that ended since it is no short one back, as an ordinary job that has failed at nothing; its decoder stopped before the
   * first window, and its next run says how long it is.
   * @returns whether that was so
   */
  async releaseAsOrdinary(error: unknown): Promise<boolean> {
    const isTooLong = hasCode(error, 'audio.too_long')
    if (!this.#isToldShort || !isTooLong) return false
    const { jobs, claimed, logger } = this.#options
    logger.info({ saidSeconds: claimed.job.audioSeconds }, 'released as ordinary: it is longer than its header says')
    await jobs.correctLength(claimed.lease, EXPRESS_SECONDS + 1)
    await jobs.release(claimed.lease)
    return true
  }

  async #write(seconds: number): Promise<void> {
    if (seconds === this.#countedSeconds) return
    const { jobs, claimed, logger, onLost } = this.#options
    try {
      if (await jobs.correctLength(claimed.lease, seconds)) this.#countedSeconds = seconds
      else onLost()
    } catch (error) {
      logger.warn({ err: error }, 'the true length could not be written')
    }
  }
}
