import { CodedError } from '../../contract/coded-error.ts'
import type { ErrorCode } from '../../contract/error-codes.ts'

/** What can go wrong with a recording that another server transcribes. */
export type RemoteErrorCode = Extract<
  ErrorCode,
  | 'engine.unreachable'
  | 'engine.unavailable'
  | 'engine.timeout'
  | 'engine.failed'
  | 'engine.forbidden'
  | 'engine.refused'
  | 'engine.bad_answer'
  | 'input.unsupported'
  | 'audio.too_long'
>

export interface RemoteErrorOptions extends ErrorOptions {
  /** What its `Retry-After` asks for. */
  readonly retryAfterMs?: number | undefined
}

/** An error of the transcription server, or on the way to it. The message names no address. */
export class RemoteError extends CodedError<RemoteErrorCode> {
  override readonly name = 'RemoteError'
  readonly retryAfterMs: number | undefined

  constructor(code: RemoteErrorCode, message: string, { retryAfterMs, ...options }: RemoteErrorOptions = {}) {
    super(code, message, options)
    this.retryAfterMs = retryAfterMs
  }
}

/** @param what goes on from "The transcription server’s answer" */
export function badAnswer(what: string): RemoteError {
  return new RemoteError('engine.bad_answer', `The transcription server’s answer ${what}.`)
}
