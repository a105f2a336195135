import { hasCode } from '../../contract/coded-error.ts'
import type { JobStore } from '../job-store.ts'

/** What is removed in one step, so that no step takes long. */
const JOBS_PER_TRANSACTION = 100

/** Periodic work on the jobs table, by every server at once: rows that one has locked the others skip. */
export class Reaper {
  readonly #jobs: Pick<JobStore, 'reap' | 'expire' | 'numberEvents' | 'check'>
  readonly #crashes: number
  #wasAway = false

  /** @param crashes how often the process that runs a job may die before the job fails */
  constructor(jobs: Pick<JobStore, 'reap' | 'expire' | 'numberEvents' | 'check'>, crashes: number) {
    this.#jobs = jobs
    this.#crashes = crashes
  }

  /** Takes expired leases back, ends what has waited too long, removes what is due, and puts events in order. */
  async round(signal: AbortSignal): Promise<void> {
    if (this.#wasAway) {
      // While the database was away nobody could prolong a lease. The heartbeats get a round's time, or each outage would count as a crash.
      await this.#jobs.check(signal)
      this.#wasAway = false
      return
    }
    try {
      await this.#jobs.reap({ crashes: this.#crashes })
      while ((await this.#jobs.expire(JOBS_PER_TRANSACTION)) === JOBS_PER_TRANSACTION) signal.throwIfAborted()
      await this.#jobs.numberEvents()
    } catch (error) {
      this.#wasAway = hasCode(error, 'store.unavailable')
      throw error
    }
  }
}
