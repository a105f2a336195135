import { CodedError } from '../contract/coded-error.ts'
import type { ErrorCode } from '../contract/error-codes.ts'

export type PayloadErrorCode = Extract<ErrorCode, `payload.${string}`> | 'secret.invalid'

export class PayloadError extends CodedError<PayloadErrorCode> {
  override readonly name = 'PayloadError'
}
