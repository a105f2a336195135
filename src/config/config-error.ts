import { CodedError } from '../contract/coded-error.ts'

/** A setting's value is wrong. The message names each such setting, what it got (unless it is secret) and what it takes. */
export class ConfigError extends CodedError<'config.invalid'> {
  override readonly name = 'ConfigError'

  constructor(message: string, options?: ErrorOptions) {
    super('config.invalid', message, options)
  }
}
