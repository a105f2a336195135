/**
 * - `payload.too_large`: the body has more bytes than it may have
 * - `payload.interrupted`: the body broke off
 * - `payload.incomplete`: what was uploaded in parts can't be put together yet
 * - `payload.missing`: there is no object of this key
 * - `payload.invalid_key`: a key that the server would not make
 * - `payload.unavailable`: the store does not answer or is full; another try may help
 * - `secret.invalid`: the signing secret is not what was written
 */
export type PayloadErrorCode =
  | 'payload.too_large'
  | 'payload.interrupted'
  | 'payload.incomplete'
  | 'payload.missing'
  | 'payload.invalid_key'
  | 'payload.unavailable'
  | 'secret.invalid'

export class PayloadError extends Error {
  override readonly name = 'PayloadError'
  readonly code: PayloadErrorCode
  readonly retryable: boolean

  constructor(code: PayloadErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.retryable = code === 'payload.unavailable' || code === 'payload.interrupted'
  }
}
