import type { Logger } from 'pino'
import type { ClaimedJob, JobStore } from '../../jobs/job-store.ts'
import { after } from './long-timer.ts'
import { patiently } from './patience.ts'
import { Stopped } from './settling.ts'
import type { StopReason } from './settling.ts'

/** A lease outlives three missed heartbeats. */
const HEARTBEATS_PER_LEASE = 4

type Store = 'the payload store' | 'the jobs table'

export interface LeaseWatchOptions {
  readonly jobs: Pick<JobStore, 'heartbeat' | 'onJob'>
  readonly claimed: ClaimedJob
  readonly leaseMs: number
  /** How long one run may take, whatever its client allows; null: as long as it takes. */
  readonly maxRunMs: number | null
  readonly logger: Logger
}

/**
 * Keeps the lease of a claimed job while it lives, and says when what runs for it has to end: the worker stops, the job is cancelled, its
 * time is over or its lease is lost. Disposing it ends that, and lets the lease run out.
 */
export class LeaseWatch implements Disposable {
  readonly #options: LeaseWatchOptions
  readonly #abort = new AbortController()
  readonly #parts = new DisposableStack()

  constructor(options: LeaseWatchOptions) {
    this.#options = options
  }

  /** @param stop aborted when the worker is to stop */
  start(stop: AbortSignal): this {
    const { jobs, claimed, leaseMs, maxRunMs, logger } = this.#options
    const { id, timeoutSeconds } = claimed.job
    const onStop = (): void => this.end('stopping')
    if (stop.aborted) onStop()
    stop.addEventListener('abort', onStop, { once: true })
    this.#parts.defer(() => stop.removeEventListener('abort', onStop))
    this.#parts.use(jobs.onJob('cancelRequested', id, () => this.end('cancelled')))
    if (timeoutSeconds !== null) this.#parts.use(after(timeoutSeconds * 1000, () => this.end('timeout')))
    if (maxRunMs !== null) this.#parts.use(after(maxRunMs, () => this.end('too-slow')))
    const timer = setInterval(() => {
      this.#heartbeat().catch((error: unknown) => logger.warn({ err: error }, 'a heartbeat failed'))
    }, leaseMs / HEARTBEATS_PER_LEASE)
    this.#parts.defer(() => clearInterval(timer))
    return this
  }

  /** Aborted with a `Stopped`. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Ends what runs. */
  end(reason: StopReason): void {
    this.#abort.abort(new Stopped(reason))
  }

  /** To be awaited before anything else: a cancellation between the claim and `start` would be noticed a heartbeat too late. */
  async begin(): Promise<void> {
    await this.patiently(() => this.#heartbeat(), 'the jobs table')
  }

  /** Does what needs a store again and again while that is away. */
  async patiently<T>(action: () => Promise<T>, store: Store = 'the payload store'): Promise<T> {
    return await patiently(action, this.signal, (error) => {
      this.#options.logger.warn({ err: error }, `the job waits for ${store}`)
    })
  }

  [Symbol.dispose](): void {
    this.#parts.dispose()
  }

  async #heartbeat(): Promise<void> {
    const { jobs, claimed, leaseMs } = this.#options
    const state = await jobs.heartbeat(claimed.lease, leaseMs)
    if (state === 'cancel') this.end('cancelled')
    if (state === 'lost') this.end('lost')
  }
}
