import { CodedError } from '../contract/coded-error.ts'
import type { ErrorCode } from '../contract/error-codes.ts'

export type WebhookErrorCode = Extract<ErrorCode, `webhook.${string}`>

/** Why a webhook can't be as it was asked for. */
export class WebhookError extends CodedError<WebhookErrorCode> {
  override readonly name = 'WebhookError'
}
