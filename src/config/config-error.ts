/** A setting's value is wrong. The message names each such setting, what it got (unless it is secret) and what it takes. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly code = 'config.invalid'
  readonly retryable = false
}
