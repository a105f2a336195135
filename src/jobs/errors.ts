/**
 * - `store.unavailable`: the database does not answer; another try may help
 * - `store.in_use`: another server owns the data folder
 * - `store.newer_schema`: a newer version wrote the database
 * - `store.damaged`: what the file holds is no database of ours, or is broken
 * - `store.refused`: a constraint or trigger of the schema refused the write; a bug of the caller
 * - `recording.gone`: the recording that a job was to be submitted with is being removed, or was removed just now
 * - `idempotency.mismatch`: the idempotency key came with another request before
 */
export type JobStoreErrorCode =
  | 'store.unavailable'
  | 'store.in_use'
  | 'store.newer_schema'
  | 'store.damaged'
  | 'store.refused'
  | 'recording.gone'
  | 'idempotency.mismatch'

export class JobStoreError extends Error {
  override readonly name = 'JobStoreError'
  readonly code: JobStoreErrorCode
  readonly retryable: boolean

  constructor(code: JobStoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.retryable = code === 'store.unavailable'
  }
}

/** A key has as much as it may have (`KeyLimits`). */
export class LimitError extends Error {
  override readonly name = 'LimitError'
  readonly code = 'limit.reached'
  readonly retryable = true
  /** When it is worth trying again. */
  readonly retryAfterSeconds: number

  constructor(message: string, retryAfterSeconds: number) {
    super(message)
    this.retryAfterSeconds = retryAfterSeconds
  }
}
