import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { FETCH } from '../../jobs/queue/queue-order.ts'
import type { ClaimedJob } from '../../jobs/job-store.ts'
import { Wakeup } from '../wakeup.ts'
import { FetchRun } from './fetch-run.ts'
import type { FetchRunOptions } from './fetch-run.ts'

/** Recordings that a process fetches at the same time. Each holds a piece of 8 MB at most, where it goes to an S3. */
const FETCHES_AT_ONCE = 16
/** For what no event tells of: a pause that is over, an event that was lost on its way, a database that is there again. */
const POLL_INTERVAL_MS = 1000
/** Most submits have nothing to be fetched: a look for each of them would be one too many. */
const REST_MS = 100

/**
 * Fetches the recordings of jobs that name somebody else's URL, and gives the jobs back to be transcribed. It is no worker's: a recording that
 * takes an hour to come holds no place and no memory of an engine.
 */
export class Fetcher implements AsyncDisposable {
  readonly #id = randomUUID()
  readonly #options: FetchRunOptions
  readonly #stop = new AbortController()
  readonly #wakeup = new Wakeup()
  readonly #runs = new Set<Promise<void>>()
  readonly #parts = new DisposableStack()
  readonly #dispatch: Promise<void>

  constructor(options: FetchRunOptions) {
    this.#options = options
    this.#parts.use(options.jobs.on('claimable', () => this.#wakeup.ring()))
    const looking = setInterval(() => this.#wakeup.ring(), POLL_INTERVAL_MS)
    this.#parts.defer(() => clearInterval(looking))
    this.#dispatch = this.#loop()
  }

  /** Gives back what it fetches. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#dispatch
    await Promise.all(this.#runs)
    this.#parts.dispose()
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const moment = this.#wakeup.now()
      for (const claimed of await this.#claim()) this.#start(claimed)
      await this.#wakeup.since(moment, signal)
      await delay(REST_MS, undefined, { signal }).catch(() => undefined)
    }
  }

  async #claim(): Promise<readonly ClaimedJob[]> {
    const { jobs, leaseMs, logger } = this.#options
    const ordinary = FETCHES_AT_ONCE - this.#runs.size
    if (ordinary === 0) return []
    try {
      const atMost = { ordinary, express: 0 }
      return await jobs.claim({ asked: [FETCH], served: null, leaseMs, places: null, atMost, worker: this.#id })
    } catch (error) {
      logger.error({ err: error }, 'the jobs table does not answer who fetches recordings')
      return []
    }
  }

  #start(claimed: ClaimedJob): void {
    const run = new FetchRun(this.#options, claimed).run(this.#stop.signal)
    this.#runs.add(run)
    void run.finally(() => {
      this.#runs.delete(run)
      this.#wakeup.ring()
    })
  }
}
