/**
 * - `store.unavailable`: the database does not answer; another try may help
 * - `store.in_use`: another server owns the data folder
 * - `store.newer_schema`: a newer version wrote the database
 * - `store.damaged`: what the file holds is no database of ours, or is broken
 * - `store.refused`: a constraint or trigger of the schema refused the write; a bug of the caller
 */
export type JobStoreErrorCode =
  | 'store.unavailable'
  | 'store.in_use'
  | 'store.newer_schema'
  | 'store.damaged'
  | 'store.refused'

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
