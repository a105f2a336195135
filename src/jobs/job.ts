import type { ErrorCode } from '../contract/error-codes.ts'
import type { Metadata } from './job-labels.ts'
import type { ServiceTier } from '../contract/service-tier.ts'
import type { Traceparent } from '../contract/tracing.ts'

/**
 * The life of a job, in one place.
 *
 * | from                  | to         | verb            | guard                                                     |
 * | --------------------- | ---------- | --------------- | --------------------------------------------------------- |
 * | (none)                | pending    | submit          |                                                           |
 * | pending               | processing | claim           | a fresh lease token, attempt + 1                          |
 * | processing            | pending    | release, retry  | the lease token; retry: below the limit, after a pause    |
 * | processing            | pending    | defer           | the lease token; not for too long yet; after a pause      |
 * | processing            | pending    | fetched         | the lease token; the recording is stored already          |
 * | processing            | pending    | reap            | the lease has run out; below the limit of crashes         |
 * | processing            | pending    | recover         | the process that ran it is dead                           |
 * | processing            | success    | succeed         | the lease token; the result is stored already             |
 * | processing            | failed     | fail            | the lease token                                           |
 * | processing            | failed     | retry           | the lease token; at the limit                             |
 * | processing            | failed     | defer           | the lease token; it has waited for too long               |
 * | processing            | failed     | reap            | the lease has run out; at the limit of crashes            |
 * | pending               | cancelled  | cancel          |                                                           |
 * | processing            | cancelled  | settleCancelled | the lease token, and cancellation was asked for           |
 * | processing            | cancelled  | release, retry, | the lease token, and cancellation was asked for           |
 * |                       |            | defer, fetched  |                                                           |
 * | processing            | cancelled  | reap            | the lease has run out, and cancellation was asked for     |
 * | processing            | cancelled  | recover         | its process is dead, and cancellation was asked for       |
 * | pending               | failed     | expire          | the time by which it had to start has passed              |
 * | pending               | cancelled  | expire          | the time after which it is not kept has passed            |
 *
 * Each transition is one guarded UPDATE whose row count decides; a trigger refuses any change of the status of a job
 * that has finished.
 */
export const JOB_STATUSES = ['pending', 'processing', 'success', 'failed', 'cancelled'] as const
export type JobStatus = (typeof JOB_STATUSES)[number]

export const FINISHED_STATUSES = ['success', 'failed', 'cancelled'] as const satisfies readonly JobStatus[]
export type FinishedStatus = (typeof FINISHED_STATUSES)[number]

export function isFinished(status: JobStatus): status is FinishedStatus {
  return (FINISHED_STATUSES as readonly JobStatus[]).includes(status)
}

export { SERVICE_TIERS } from '../contract/service-tier.ts'
export type { ServiceTier }

export const JOB_PRIORITIES = ['high', 'normal', 'low'] as const
export type JobPriority = (typeof JOB_PRIORITIES)[number]

/** What the user is told of a job that failed: a stable code, and what is wrong with which file or server. */
export interface JobError {
  readonly code: ErrorCode
  readonly message: string
}

/** The same as it is stored: other versions may know other codes. */
export interface StoredJobError {
  readonly code: string
  readonly message: string
}

/** Whom what happens to a job is told. The endpoint is opaque to all but the webhooks, and may hold a secret. */
export interface JobWebhook {
  readonly endpoint: string
  /** Types of events. */
  readonly events: readonly string[]
  /** Deliveries of one queue are made a few at a time. */
  readonly queue: string
}

export interface Job {
  /** UUID of version 7: what is submitted one after the other lies side by side in the index. */
  readonly id: string
  /** Identifier of the API key that submitted it. */
  readonly keyId: string
  /** `publisher/model`. */
  readonly model: string
  /** What the user calls it, such as the file's name; null: nobody said. */
  readonly name: string | null
  /** The user's own, by which jobs can be found. */
  readonly metadata: Metadata
  readonly status: JobStatus
  /** The tier asked for. */
  readonly serviceTier: ServiceTier
  /** The tier that runs or ran it; null until it was claimed. */
  readonly servedTier: ServiceTier | null
  readonly priority: JobPriority
  /** A client holds its connection open for it. */
  readonly urgent: boolean
  /** The validated model parameters, as submitted; null: what is stored of them is damaged. */
  readonly input: Readonly<Record<string, unknown>> | null
  /** Key of the recording in the payload store. */
  readonly payloadKey: string
  /** Where the recording is still to be fetched from, to be stored under that key; null: it is there. It may hold a secret, and is shown to nobody. */
  readonly sourceUrl: string | null
  /** Names the content that was submitted; null: it can't be replaced. */
  readonly payloadVersion: string | null
  /** Key of the stored result; null unless the status is `success`. */
  readonly resultKey: string | null
  /** Null unless the status is `failed`. */
  readonly error: StoredJobError | null
  /** Why it was given back and waits to be tried again; null: it waits for its turn, or does not wait. */
  readonly waitingFor: StoredJobError | null
  /** Longest recording that this job may have, in seconds; null: no limit. */
  readonly maxAudioSeconds: number | null
  /** Length of the recording, in seconds: as probed or estimated at submit, until it is decoded. */
  readonly audioSeconds: number
  /** How much of it has been transcribed and kept, in seconds; after a crash it goes on from there. */
  readonly doneSeconds: number
  readonly acceptedAt: Date
  /** Since when it may run, or will be able to: it was accepted then, given back, or a pause ended. */
  readonly readyAt: Date
  readonly startedAt: Date | null
  readonly completedAt: Date | null
  readonly cancelRequestedAt: Date | null
  /** It fails unless it has started by then; null: it may wait for ever. */
  readonly startBy: Date | null
  /** How long one run of it may take, in seconds; null: any time. */
  readonly timeoutSeconds: number | null
  /** When its recording, its result and its row are removed; null: no time was set. */
  readonly expiresAt: Date | null
  /** So long after its end they are removed, if `expiresAt` does not come first; null: no time was set. */
  readonly removeAfterSeconds: number | null
  /** How often it was claimed. */
  readonly attempt: number
  /** How often a retryable error sent it back. */
  readonly failures: number
  /** How often the process that ran it died, since it last finished a window. */
  readonly crashes: number
  /** How often it was given back uncounted, since it last made progress. */
  readonly deferrals: number
  /** Null: nobody. */
  readonly webhook: JobWebhook | null
  /** Of its submit; null: it belongs to no trace. */
  readonly traceparent: Traceparent | null
}
