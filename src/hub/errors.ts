export type ModelErrorCode =
  | 'model.unreachable'
  | 'model.forbidden'
  | 'model.not_found'
  | 'model.corrupt'
  | 'model.disk_full'
  | 'model.incomplete'
  | 'model.hub_invalid'
  | 'model.cache_unusable'

/** Why a model or its weights can't be had. */
export class ModelError extends Error {
  override readonly name = 'ModelError'
  readonly code: ModelErrorCode
  /** The hub may answer later; what is wrong with a repository or this machine stays so until somebody repairs it. */
  readonly retryable: boolean
  /** How long the hub asks to be left alone. */
  readonly retryAfterMs: number | undefined

  constructor(
    code: ModelErrorCode,
    message: string,
    options: ErrorOptions & { readonly retryable?: boolean; readonly retryAfterMs?: number | undefined } = {},
  ) {
    super(message, options)
    this.code = code
    this.retryable = options.retryable ?? code === 'model.unreachable'
    this.retryAfterMs = options.retryAfterMs
  }
}
