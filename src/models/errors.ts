import { CodedError } from '../contract/coded-error.ts'

/** A parameter of a request that can't be used. */
export class InputError extends CodedError<'input.invalid'> {
  override readonly name = 'InputError'

  constructor(message: string, options?: ErrorOptions) {
    super('input.invalid', message, options)
  }
}

export type CatalogueErrorCode = 'model.unknown' | 'model.name_invalid'

/** A model that is named, and that there is none of. */
export class CatalogueError extends CodedError<CatalogueErrorCode> {
  override readonly name = 'CatalogueError'
}
