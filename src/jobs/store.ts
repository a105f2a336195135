import type { Job, JobError, JobStatus, ServiceTier } from './job.ts'

export interface NewJob {
  readonly id: string
  readonly keyId: string
  readonly model: string
  readonly serviceTier: ServiceTier
  readonly input: Readonly<Record<string, unknown>>
  readonly payloadKey: string
  readonly maxAudioSeconds: number | null
  /** Claimed before all others, since a client holds its connection open for it. */
  readonly urgent: boolean
}

/** A claimed job. Every later write of its worker names the token, so that a worker that lost its lease writes nothing. */
export interface Lease {
  readonly jobId: string
  readonly token: string
  readonly attempt: number
}

export interface ClaimedJob {
  readonly job: Job
  readonly lease: Lease
}

/** What a heartbeat finds: `held`; `cancel`, the job is to be stopped; `lost`, the lease is another's or the job is gone. */
export type LeaseState = 'held' | 'cancel' | 'lost'

export interface JobEvents {
  /** A job was submitted, admitted or given back: `admit`, then `claim`. */
  claimable: []
  /** A running job is to be stopped. */
  cancelRequested: [jobId: string]
  /** A job has reached `success`, `failed` or `cancelled`. */
  finished: [jobId: string]
}

export interface ListOptions {
  readonly status?: JobStatus
  readonly limit: number
  /** Id of the last job of the page before. */
  readonly before?: string
}

/** The jobs table. All times are the database's. Errors of the database are thrown as `JobStoreError` (`store.unavailable`). */
export interface JobStore {
  /** Durable when it resolves. */
  submit(job: NewJob): Promise<Job>

  find(id: string): Promise<Job | undefined>

  /** A key's jobs, the newest first; without the urgent ones, which are gone with their connection. */
  list(keyId: string, options: ListOptions): Promise<readonly Job[]>

  /** Whether any job was submitted with this payload. */
  usesPayload(payloadKey: string): Promise<boolean>

  /** Moves all `accepted` jobs to `pending`; says how many. */
  admit(): Promise<number>

  /**
   * Takes the next pending job, urgent ones first and then in the order of acceptance.
   * @param asked the tiers whose jobs may be taken
   * @param served the tier that the worker is
   */
  claim(options: {
    readonly asked: readonly ServiceTier[]
    readonly served: ServiceTier
    readonly leaseMs: number
  }): Promise<ClaimedJob | undefined>

  /** Prolongs the lease. */
  heartbeat(lease: Lease, leaseMs: number): Promise<LeaseState>

  /**
   * Keeps a finished window of a running job, in place of what was kept under the same number. It goes when the job has finished.
   * @param ordinal counts from 0, without a gap
   * @param data whatever the worker needs to go on from there; the store does not read it
   * @param seconds of the recording that are done with this window
   * @returns false when the lease was lost, and nothing was written
   */
  keepWindow(lease: Lease, ordinal: number, data: string, seconds: number): Promise<boolean>

  /** What was kept of a job, in the order of the numbers, whoever ran it; nothing once it has finished. */
  windows(jobId: string): Promise<readonly string[]>

  /** Each of these says whether it was this lease's to do; false: the lease was lost and nothing was written. */
  succeed(lease: Lease, resultKey: string): Promise<boolean>
  fail(lease: Lease, error: JobError): Promise<boolean>
  settleCancelled(lease: Lease): Promise<boolean>
  /** Gives it back untouched, as in a graceful stop; cancels it if that was asked for. */
  release(lease: Lease): Promise<boolean>
  /**
   * Gives it back after a retryable error, or after the engine process died (`crash`), or fails it with this error when it
   * has had its limit of them, or cancels it if that was asked for. Says what became of it.
   */
  retry(
    lease: Lease,
    cause: 'error' | 'crash',
    error: JobError,
    limits: { readonly failures: number; readonly crashes: number },
  ): Promise<'pending' | 'failed' | 'cancelled' | 'lost'>

  /**
   * Cancels a job: one that waits at once, a running one by `cancelRequestedAt` and the event `cancelRequested`.
   * Idempotent; undefined when there is no such job. A job that has finished otherwise comes back as it is.
   */
  cancel(id: string): Promise<Job | undefined>

  /** Removes a finished job's row. Says whether it did. */
  remove(id: string): Promise<boolean>

  /** Takes expired leases back, as the table in `job.ts` says. Says how many. */
  reap(limits: { readonly crashes: number }): Promise<number>

  /**
   * At the start of the only process on this database: gives back what the one before it was running, and cancels what only
   * its clients waited for. Says how many had been running.
   */
  recover(): Promise<number>

  /** Fails when the database does not answer a write. */
  check(signal?: AbortSignal): Promise<void>

  on<Name extends keyof JobEvents>(name: Name, listener: (...event: JobEvents[Name]) => void): Disposable
}
