import { CodedError } from '../contract/coded-error.ts'
import type { CodedErrorOptions } from '../contract/coded-error.ts'
import type { ErrorCode } from '../contract/error-codes.ts'

export type FetchErrorCode = Extract<ErrorCode, `fetch.${string}`>

export interface FetchErrorOptions extends CodedErrorOptions {
  /** What the server's `Retry-After` asks for. */
  readonly retryAfterMs?: number | undefined
}

/** Why a recording can't be fetched. The message names neither the URL, which may hold a secret, nor an address. */
export class FetchError extends CodedError<FetchErrorCode> {
  override readonly name = 'FetchError'
  readonly retryAfterMs: number | undefined

  constructor(code: FetchErrorCode, message: string, { retryAfterMs, ...options }: FetchErrorOptions = {}) {
    super(code, message, options)
    this.retryAfterMs = retryAfterMs
  }
}
