import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import Type from 'typebox'
import { Check } from 'typebox/value'
import type { FinishedWindow } from '../../contract/recognition-task.ts'
import { ResumePointSchema } from '../../contract/resume-point.ts'
import type { ResumePoint } from '../../contract/resume-point.ts'
import { PassageSchema } from '../../contract/transcript.ts'
import type { JobStore, Lease } from '../../jobs/job-store.ts'
import { FIRST_FAMILY } from '../../models/index.ts'

/** How windows were kept when there was one family: as what are now the data of its first version, with the version among them. */
const UnnamedPoint = Type.Object({ version: Type.Literal(1), fingerprint: Type.String() })

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
 * decoding, which does not wait. A short outage of the database costs nothing: what could not be written is queued, and at worst
 * decoded again. Disposing it forgets what still waits.
 */
export class KeptWindows implements Disposable {
  readonly #options: KeptWindowsOptions
  /** Those that are not written yet, the oldest first. */
  #waiting: FinishedWindow[] = []
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
  async read(): Promise<readonly ResumePoint[]> {
    const { jobs, lease, logger } = this.#options
    const stored = await jobs.windows(lease.jobId)
    const read = stored.map(parseResumePoint)
    const damaged = read.indexOf(undefined)
    if (damaged !== -1) logger.warn({ window: damaged }, 'a kept window can’t be read; it is decoded again')
    return (damaged === -1 ? read : read.slice(0, damaged)).filter((point) => point !== undefined)
  }

  keep(window: FinishedWindow): void {
    this.#finished += 1
    const { ordinal, seconds } = window
    this.#options.logger.debug({ window: ordinal, seconds }, 'window finished')
    this.#waiting.push(window)
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

  #keep({ ordinal, seconds, resumePoint, passage }: FinishedWindow): Promise<boolean> {
    const { jobs, lease } = this.#options
    // It comes from the engine's process. What can't be told is left to the result, which is checked as a whole.
    const told = Check(PassageSchema, passage) ? passage : undefined
    return jobs.keepWindow(lease, ordinal, JSON.stringify(resumePoint), seconds, told)
  }
}

/** Undefined when it is none; whether its data can be read is its family's to say. */
function parseResumePoint(text: string): ResumePoint | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (Check(ResumePointSchema, value)) return value
  if (!Check(UnnamedPoint, value)) return undefined
  const { version, ...data } = value
  return { family: FIRST_FAMILY, version, data }
}
