import { CodedError } from '../contract/coded-error.ts'
import type { CodedErrorOptions } from '../contract/coded-error.ts'
import type { ErrorCode } from '../contract/error-codes.ts'

export type ModelErrorCode = Extract<ErrorCode, `model.${string}`>

export interface ModelErrorOptions extends CodedErrorOptions {
  /** How long the hub asks to be left alone. */
  readonly retryAfterMs?: number | undefined
}

/** Why a model or its weights can't be had. */
export class ModelError extends CodedError<ModelErrorCode> {
  override readonly name = 'ModelError'
  readonly retryAfterMs: number | undefined

  constructor(code: ModelErrorCode, message: string, { retryAfterMs, ...options }: ModelErrorOptions = {}) {
    super(code, message, options)
    this.retryAfterMs = retryAfterMs
  }
}
