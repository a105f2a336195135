import { ERROR_CODES } from './error-codes.ts'
import type { ErrorCode } from './error-codes.ts'

export interface CodedErrorOptions extends ErrorOptions {
  /** Where this one differs from what others of its code are: a hub that was switched off does not come back. */
  readonly retryable?: boolean
}

/**
 * What is foreseen to go wrong: the base of all rooms' errors. The message is for the client, and says what is wrong and what to do; it
 * holds no secret, no path of the server and nothing of a transcript. The cause is for the log.
 */
export class CodedError<Code extends ErrorCode = ErrorCode> extends Error {
  override readonly name: string = 'CodedError'
  readonly code: Code
  /** Whether another try may help. */
  readonly retryable: boolean

  constructor(code: Code, message: string, { retryable, ...options }: CodedErrorOptions = {}) {
    super(message, options)
    this.code = code
    this.retryable = retryable ?? ERROR_CODES[code].retryable
  }
}

/** Whether that is what went wrong. */
export function hasCode(error: unknown, code: ErrorCode): error is CodedError {
  return error instanceof CodedError && error.code === code
}
