/** A parameter of a request that can't be used. */
export class InputError extends Error {
  override readonly name = 'InputError'
  readonly code = 'input.invalid'
  readonly retryable = false
}

export type CatalogueErrorCode = 'model.unknown' | 'model.name_invalid'

/** A model that is named, and that there is none of. */
export class CatalogueError extends Error {
  override readonly name = 'CatalogueError'
  readonly code: CatalogueErrorCode
  readonly retryable = false

  constructor(code: CatalogueErrorCode, message: string) {
    super(message)
    this.code = code
  }
}
