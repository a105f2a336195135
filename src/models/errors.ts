export type ModelErrorCode =
  | 'model.unknown'
  | 'model.name_invalid'
  | 'model.unreachable'
  | 'model.forbidden'
  | 'model.not_found'
  | 'model.corrupt'
  | 'model.disk_full'
  | 'model.incomplete'
  | 'model.hub_invalid'

/** Why a model or its weights can't be had. */
export class ModelError extends Error {
  override readonly name = 'ModelError'
  readonly code: ModelErrorCode
  /** The download has tried as often as it makes sense: trying the job again would only keep its user waiting. */
  readonly retryable = false

  constructor(code: ModelErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** A parameter of a request that can't be used. */
export class InputError extends Error {
  override readonly name = 'InputError'
  readonly code = 'input.invalid'
  readonly retryable = false
}
