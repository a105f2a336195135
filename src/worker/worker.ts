import { setTimeout as delay } from 'node:timers/promises'
import type { ServiceTier } from '../jobs/job.ts'
import type { ClaimedJob } from '../jobs/store.ts'
import { JobRun } from './job-run.ts'
import type { JobRunOptions } from './job-run.ts'
import { Wakeup } from './wakeup.ts'

/** While the database does not answer, it is asked again this often. */
const CLAIM_RETRY_MS = 1000

export interface WorkerOptions extends JobRunOptions {
  /** Jobs that run at the same time. */
  readonly slots: number
  /** The tier that this worker is, and the tiers whose jobs it takes. */
  readonly served: ServiceTier
  readonly asked: readonly ServiceTier[]
}

/** Takes jobs as they come: admit → claim → transcribe → settle, in as many slots as it was given. */
export class Worker implements AsyncDisposable {
  readonly #options: WorkerOptions
  readonly #stop = new AbortController()
  readonly #wakeup = new Wakeup()
  readonly #loops: readonly Promise<void>[]
  readonly #subscription: Disposable

  constructor(options: WorkerOptions) {
    this.#options = options
    this.#subscription = options.jobs.on('claimable', () => this.#wakeup.ring())
    this.#loops = Array.from({ length: options.slots }, () => this.#loop())
  }

  /** Fails unless its transcriber answers. */
  async check(signal: AbortSignal): Promise<void> {
    this.#stop.signal.throwIfAborted()
    await this.#options.transcriber.check(signal)
  }

  /** Gives running jobs back. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#subscription[Symbol.dispose]()
    await Promise.all(this.#loops)
  }

  async #loop(): Promise<void> {
    const stop = this.#stop.signal
    while (!stop.aborted) {
      const moment = this.#wakeup.now()
      const claimed = await this.#claim(stop)
      if (claimed === undefined) await this.#wakeup.since(moment, stop)
      else await new JobRun(this.#options, claimed).run(stop)
    }
  }

  async #claim(stop: AbortSignal): Promise<ClaimedJob | undefined> {
    const { jobs, asked, served, leaseMs, logger } = this.#options
    while (!stop.aborted) {
      try {
        await jobs.admit()
        return await jobs.claim({ asked, served, leaseMs })
      } catch (error) {
        logger.error({ err: error }, 'the jobs table does not answer the worker')
        await delay(CLAIM_RETRY_MS, undefined, { signal: stop }).catch(() => undefined)
      }
    }
    return undefined
  }
}
