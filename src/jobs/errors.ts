import { CodedError } from '../contract/coded-error.ts'
import type { ErrorCode } from '../contract/error-codes.ts'

export type JobStoreErrorCode = Extract<ErrorCode, `store.${string}`> | 'recording.gone' | 'idempotency.mismatch'

export class JobStoreError extends CodedError<JobStoreErrorCode> {
  override readonly name = 'JobStoreError'
}

/** The limit that was reached, for those who mind it by program. */
export interface ReachedLimit {
  readonly name: 'queued-jobs' | 'audio-seconds'
  readonly quota: number
  readonly remaining: number
  /** What it is counted in; null: what there is at a time. */
  readonly windowSeconds: number | null
}

/** A key has as much as it may have (`KeyLimits`). */
export class LimitError extends CodedError<'limit.reached'> {
  override readonly name = 'LimitError'
  /** When it is worth trying again. */
  readonly retryAfterSeconds: number
  /** Null: nothing beyond the message is told. */
  readonly limit: ReachedLimit | null

  constructor(message: string, retryAfterSeconds: number, limit: ReachedLimit | null = null) {
    super('limit.reached', message)
    this.retryAfterSeconds = retryAfterSeconds
    this.limit = limit
  }
}
