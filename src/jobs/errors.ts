import { CodedError } from '../contract/coded-error.ts'
import type { ErrorCode } from '../contract/error-codes.ts'

export type JobStoreErrorCode = Extract<ErrorCode, `store.${string}`> | 'recording.gone' | 'idempotency.mismatch'

export class JobStoreError extends CodedError<JobStoreErrorCode> {
  override readonly name = 'JobStoreError'
}

/** A key has as much as it may have (`KeyLimits`). */
export class LimitError extends CodedError<'limit.reached'> {
  override readonly name = 'LimitError'
  /** When it is worth trying again. */
  readonly retryAfterSeconds: number

  constructor(message: string, retryAfterSeconds: number) {
    super('limit.reached', message)
    this.retryAfterSeconds = retryAfterSeconds
  }
}
