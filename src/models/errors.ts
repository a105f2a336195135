import { CodedError } from '../contract/coded-error.ts'

/** A parameter of a request that can't be used. */
export class InputError extends CodedError<'input.invalid'> {
  override readonly name = 'InputError'

  constructor(message: string, options?: ErrorOptions) {
    super('input.invalid', message, options)
  }
}
