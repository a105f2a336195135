/**
 * - `payload.too_large`: the body has more bytes than it may have
 * - `payload.interrupted`: the body broke off
 * - `payload.incomplete`: what was uploaded in parts can't be put together yet
 * - `payload.missing`: there is no object of this key
 * - `payload.replaced`: the object is not the one that was asked for any more
 * - `payload.invalid_key`: a key that the server would not make
 * - `payload.unavailable`: the store does not answer or is full; another try may help
 * - `payload.wrong_offset`: the upload does not go on there
 * - `payload.wrong_length`: the upload can't have that many bytes
 * - `payload.complete`: the upload has all its bytes
 * - `payload.superseded`: another one took the upload over
 * - `secret.invalid`: the signing secret is not what was written
 */
export type PayloadErrorCode =
  | 'payload.too_large'
  | 'payload.interrupted'
  | 'payload.incomplete'
  | 'payload.missing'
  | 'payload.replaced'
  | 'payload.invalid_key'
  | 'payload.unavailable'
  | 'payload.wrong_offset'
  | 'payload.wrong_length'
  | 'payload.complete'
  | 'payload.superseded'
  | 'secret.invalid'

const RETRYABLE: ReadonlySet<PayloadErrorCode> = new Set([
  'payload.unavailable',
  'payload.interrupted',
  'payload.superseded',
])

export class PayloadError extends Error {
  override readonly name = 'PayloadError'
  readonly code: PayloadErrorCode
  readonly retryable: boolean

  constructor(code: PayloadErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.retryable = RETRYABLE.has(code)
  }
}
