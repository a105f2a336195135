import type { JobEvent, JobEventKind, RecordingFetched, WeightsFetched } from '../contract/job-event.ts'
import type { Traceparent } from '../contract/tracing.ts'
import type { Passage, ToldSegment } from '../contract/transcript.ts'
import type { EventFeed } from './events/event-feed.ts'
import type { Cursor } from './reading/cursor.ts'
import type { Metadata } from './job-labels.ts'
import type { Job, JobError, JobPriority, JobStatus, JobWebhook, ServiceTier } from './job.ts'
import type { QueueTier } from './queue/queue-order.ts'

export interface NewJob {
  readonly id: string
  readonly keyId: string
  readonly model: string
  /** Default: what the recording is called, if anybody said. */
  readonly name?: string | null
  /** Default: none. */
  readonly metadata?: Metadata
  readonly serviceTier: ServiceTier
  readonly priority: JobPriority
  readonly input: Readonly<Record<string, unknown>>
  readonly payloadKey: string
  /** Names the content of the recording, where it might be replaced; null or absent: it can't be. */
  readonly payloadVersion?: string | null
  /** Where the recording is to be fetched from, to be stored under its key; null or absent: it is there. */
  readonly sourceUrl?: string | null
  /** Length of the recording, in seconds: probed, or estimated from its size. */
  readonly audioSeconds: number
  readonly maxAudioSeconds: number | null
  /** Claimed before all others, since a client holds its connection open for it. */
  readonly urgent: boolean
  readonly startBy: Date | null
  readonly timeoutSeconds: number | null
  /** Null, and no `removeAfterSeconds`: as the store's retention says, once it has finished. */
  readonly expiresAt: Date | null
  /** So long after its end it is removed, if `expiresAt` does not come first. Default: as the store's retention says. */
  readonly removeAfterSeconds?: number | null
  readonly idempotency: Idempotency | null
  /** What its key may have, where that is not what the store's options say. */
  readonly limits?: Partial<KeyLimits>
  /** Null or absent: nobody is told of it. */
  readonly webhook?: JobWebhook | null
  /** Null or absent: it belongs to no trace yet. */
  readonly traceparent?: Traceparent | null
}

/** What may be changed of a job; what is left out stays. */
export type JobChanges = Partial<Pick<Job, 'name' | 'metadata' | 'expiresAt' | 'removeAfterSeconds'>>

export interface Idempotency {
  /** As the client chose it; it is the client's alone. */
  readonly key: string
  /** Hash of all that the client asked for. */
  readonly requestHash: string
}

/** What a key may have; null: any amount. */
export interface KeyLimits {
  /** Jobs that wait. */
  readonly queuedJobs: number | null
  /** Jobs that run at the same time; more of them wait. */
  readonly runningJobs: number | null
  /** Seconds of audio that are submitted on one day of UTC. */
  readonly audioSecondsPerDay: number | null
}

/** What a key has now. */
export interface KeyUsage {
  readonly queuedJobs: number
  readonly runningJobs: number
  /** Submitted on this day of UTC; null: nobody counts, since there is no limit of it. */
  readonly audioSecondsToday: number | null
}

export interface JobStoreOptions {
  /** How long a finished job is kept that its client set no time for; null: for ever. */
  readonly retentionMs: number | null
  /** Of keys that have none of their own. */
  readonly limits: KeyLimits
  /** Told of a job that is due and can't be removed now. */
  readonly onKept?: (jobId: string, error: unknown) => void
}

export interface Submitted {
  readonly job: Job
  /** False: it is what an earlier request with the same idempotency key has submitted. */
  readonly isNew: boolean
}

/** A claimed job. Every later write of its worker names the token, so that a worker that lost its lease writes nothing. */
export interface Lease {
  readonly jobId: string
  readonly token: string
  readonly attempt: number
}

/** What is known of a recording once it has been fetched. */
export interface FetchedRecording {
  /** Where it is stored: under the key that the job was submitted with, or another one that tells its format. */
  readonly payloadKey: string
  /** As its headers say. */
  readonly audioSeconds: number
}

export interface ClaimedJob {
  readonly job: Job
  readonly lease: Lease
}

/** How many jobs there is room for. */
export interface Places {
  /** Of any length. */
  readonly ordinary: number
  /** So many more if they are short, as `EXPRESS_SECONDS` says. */
  readonly express: number
}

export interface ClaimOptions {
  /** The tiers whose jobs may be taken; or `fetch`: those whose recordings are to be fetched, of all tiers. */
  readonly asked: readonly QueueTier[]
  /** The tier that the worker is; null: it runs nothing. */
  readonly served: ServiceTier | null
  readonly leaseMs: number
  /** Only jobs of these models, and so many of each; null: of any, as many as `atMost` says. */
  readonly places: ReadonlyMap<string, Places> | null
  readonly atMost: Places
  /** How many urgent jobs the claims before this one took, one after the other; `MAX_URGENT_IN_A_ROW` says what for. Default: none. */
  readonly urgentInARow?: number
  /** Id of the worker, for the job's history. */
  readonly worker?: string
}

/** A model that has jobs which are ready to run. */
export interface WaitingModel {
  readonly model: string
  /** Of its job that is next. */
  readonly rank: number
  /** Whether that one is short. */
  readonly isExpress: boolean
  /** Whether what ran that one died. */
  readonly isSuspect: boolean
  /** Whether it has any short ones. */
  readonly hasExpress: boolean
  /** How long one of its jobs has been ready, by the database's clock: the longest of those that are next. */
  readonly readyForMs: number
}

/** What a heartbeat finds: `held`; `cancel`, the job is to be stopped; `lost`, the lease is another's or the job is gone. */
export type LeaseState = 'held' | 'cancel' | 'lost'

/** What is worth a look: there may be a job to claim, or events that were not there before. */
export type JobNews = 'claimable' | 'history'
/** A running job is to be stopped, or a job has reached `success`, `failed` or `cancelled`. */
export type JobNewsKind = 'cancelRequested' | 'finished'

/** Tells listeners that something was committed, in this process or in all that work on one database. They look for themselves what it was. */
export interface JobNewsBus {
  /** @param listener called perhaps too often; and a second late, or never, where news gets lost */
  on(news: JobNews, listener: () => void): Disposable
  /** @param listener called once or several times */
  onJob(kind: JobNewsKind, jobId: string, listener: () => void): Disposable
  emit(news: JobNews): void
  emitJob(kind: JobNewsKind, jobId: string): void
}

/** Which jobs; of what is left out, any. */
export interface JobFilter {
  readonly statuses?: readonly JobStatus[]
  readonly models?: readonly string[]
  /** All of these pairs. */
  readonly metadata?: Metadata
  /** Accepted then or later. */
  readonly from?: Date
  /** Accepted before then. */
  readonly to?: Date
  /** A part of the name, in whichever case. */
  readonly text?: string
}

export interface ListOptions extends JobFilter {
  readonly limit: number
  /** Which come first. Default: the newest. */
  readonly order?: 'newest' | 'oldest'
  /** As a page of the same list gave it. */
  readonly cursor?: Cursor
}

export interface JobPage {
  readonly jobs: readonly Job[]
  /** A cursor; null: nothing comes behind. */
  readonly next: string | null
  /** A cursor; null: nothing comes before. */
  readonly previous: string | null
}

/** The jobs table. All times are the database's. Errors of the database are thrown as `JobStoreError` (`store.unavailable`). */
export interface JobStore {
  /**
   * Durable when it resolves. Submits of the same moment are committed together.
   * @throws JobStoreError `idempotency.mismatch` when its key came with another request before; `recording.gone`; LimitError
   */
  submit(job: NewJob): Promise<Submitted>

  /**
   * The job that an earlier request with the same idempotency key has submitted.
   * @throws JobStoreError `idempotency.mismatch` when that was another request
   */
  findReplay(keyId: string, idempotency: Idempotency): Promise<Job | undefined>

  /** @param maxAgeMs how long ago it may have been read, where another process may have changed it since; default: not before now */
  find(id: string, maxAgeMs?: number): Promise<Job | undefined>

  /**
   * What a key has of what `KeyLimits` limit.
   * @param limits its own, where they are not what the store's options say
   */
  usage(keyId: string, limits?: Partial<KeyLimits>): Promise<KeyUsage>

  /**
   * A page of a key's jobs, or of all keys', without the urgent ones, which are gone with their connection. It may have fewer than there is
   * room for, even none, though more come behind: looking for them ends after a while.
   */
  list(keyId: string | null, options: ListOptions): Promise<JobPage>

  /**
   * What happened to a job since the event with this `sequence`, in order; 0: since it was accepted.
   * At most 10,000 are kept, as long as the job: of more windows, the newest and some of the others at even distances.
   * @param kinds default: all
   */
  events(jobId: string, after: number, limit: number, kinds?: readonly JobEventKind[]): Promise<readonly JobEvent[]>
  /** The same of all jobs of a key. */
  eventsOfKey(keyId: string, after: number, limit: number): Promise<readonly JobEvent[]>

  /** What happens, for those who follow it: see `follow.ts`. */
  readonly feed: EventFeed

  /** Housekeeping: leaves little to be done for whoever reads events next. */
  numberEvents(): Promise<void>

  /** Whether any job was submitted with this payload. */
  usesPayload(payloadKey: string): Promise<boolean>

  /**
   * After `recording.gone`: forgets that the recording was removed when it is there again, since somebody uploaded to the same URL anew.
   * Says whether it is, so that the submit may be repeated.
   */
  forgetRemoval(payloadKey: string, isThere: () => Promise<boolean>): Promise<boolean>

  /**
   * Takes the next pending jobs that there is room for, in the order that `queue-order.ts` explains. Empty only when no job fits that may
   * run now.
   */
  claim(options: ClaimOptions): Promise<readonly ClaimedJob[]>

  /** The models of these tiers that have jobs which may run now, in the order in which their next jobs would be claimed. */
  waiting(asked: readonly ServiceTier[]): Promise<readonly WaitingModel[]>

  /** Prolongs the lease. */
  heartbeat(lease: Lease, leaseMs: number): Promise<LeaseState>

  /**
   * Keeps a finished window, so that a later run goes on behind it.
   * @param ordinal its place among the job's windows, from 0, without a gap; it replaces what is there from this place on
   * @param doneSeconds how much of the audio has been transcribed by then
   * @param passage what it adds to the transcript, in place of what was told from this window on; it is kept as long as the job
   * @returns false: the lease was lost and nothing was written
   */
  keepWindow(lease: Lease, ordinal: number, data: string, doneSeconds: number, passage?: Passage): Promise<boolean>

  /**
   * Puts the length that was decoded in place of the one that the job was submitted with: in the row, in what its key has used of its
   * day, in the places of the key's jobs behind it, and in the queue that it is in when it is given back.
   * @returns false: the lease was lost and nothing was written
   */
  correctLength(lease: Lease, audioSeconds: number): Promise<boolean>

  /**
   * Tells in the job's history that its model's weights are being fetched, or are there.
   * @returns false: the lease was lost and nothing was written
   */
  noteWeights(lease: Lease, weights: WeightsFetched): Promise<boolean>

  /** The same of a recording that is being fetched. */
  noteFetch(lease: Lease, recording: RecordingFetched): Promise<boolean>

  /**
   * Gives a job back whose recording is in the payload store now, to be transcribed: in the place that it would have, had its length been
   * known at its submit. Its errors while that was fetched count no more.
   * @returns false: the lease was lost and nothing was written
   */
  fetched(lease: Lease, recording: FetchedRecording): Promise<boolean>

  /** What was kept of an unfinished job, in order. */
  windows(jobId: string): Promise<readonly string[]>

  /**
   * Each of these says whether it was this lease's to do; false: the lease was lost and nothing was written. `succeed` may be repeated when
   * its answer was lost.
   * @param segments of the result: what the windows have not told of them is told in the same commit
   */
  succeed(lease: Lease, resultKey: string, segments?: readonly ToldSegment[]): Promise<boolean>
  fail(lease: Lease, error: JobError): Promise<boolean>
  settleCancelled(lease: Lease): Promise<boolean>
  /**
   * Gives it back untouched, as in a graceful stop; cancels it if that was asked for.
   * @param pauseMs it is not claimed again before that
   */
  release(lease: Lease, pauseMs?: number): Promise<boolean>
  /**
   * Gives it back to wait for something that is no fault of its own and counts as no failure. When it has waited so for `limitMs` since the
   * first time, without any progress, it fails with this error.
   */
  defer(
    lease: Lease,
    error: JobError,
    options: { readonly limitMs: number; readonly pauseMs: number },
  ): Promise<'pending' | 'failed' | 'cancelled' | 'lost'>
  /**
   * Gives it back after a retryable error, or after the engine process died (`crash`), or fails it with this error when it
   * has had its limit of them, or cancels it if that was asked for. Says what became of it.
   * @param pauseMs it is not claimed again before that
   */
  retry(
    lease: Lease,
    cause: 'error' | 'crash',
    error: JobError,
    limits: { readonly failures: number; readonly crashes: number },
    pauseMs?: number,
  ): Promise<'pending' | 'failed' | 'cancelled' | 'lost'>

  /**
   * Cancels a job: one that waits at once, a running one by `cancelRequestedAt` and the news `cancelRequested`.
   * Idempotent; undefined when there is no such job. A job that has finished otherwise comes back as it is.
   */
  cancel(id: string): Promise<Job | undefined>

  /**
   * Changes what its user says of a job, finished or not.
   * @param change what it is to be, from what it is: nobody else changes it meanwhile, and what this throws leaves it as it is
   * @returns the job as it is then; undefined: there is none
   */
  change(id: string, change: (job: Job) => JobChanges): Promise<Job | undefined>

  /** Removes a finished job's row, and puts its payloads on the list of garbage. Says whether it did. */
  remove(id: string): Promise<boolean>

  /** Takes expired leases back, as the table in `job.ts` says. Says how many. */
  reap(limits: { readonly crashes: number }): Promise<number>

  /**
   * Ends what has waited too long, and removes finished jobs that are due as `remove` does, no more than `limit` at a time.
   * Says how many were removed.
   */
  expire(limit: number): Promise<number>

  /**
   * At the start of the only process on this database: gives back what the one before it was running, and cancels what only
   * its clients waited for. Says how many had been running.
   */
  recover(): Promise<number>

  /** Fails when the database does not answer a write. */
  check(signal?: AbortSignal): Promise<void>

  on: JobNewsBus['on']
  onJob: JobNewsBus['onJob']
}
