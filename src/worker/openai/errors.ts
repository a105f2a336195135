/** What can go wrong with a recording that another server transcribes, and whether the job may be tried again. */
const RETRYABLE = {
  /** No connection, or one that broke off. */
  'engine.unreachable': true,
  /** It says that it can't for now. */
  'engine.unavailable': true,
  'engine.timeout': true,
  /** An error of its own. */
  'engine.failed': true,
  /** It does not take the API key. */
  'engine.forbidden': false,
  /** It does not take the request: the recording, the model, a parameter. */
  'engine.refused': false,
  /** Its answer can't be understood. */
  'engine.bad_answer': false,
  /** A parameter that it has no equivalent of. */
  'input.unsupported': false,
  'audio.too_long': false,
} as const

export type RemoteErrorCode = keyof typeof RETRYABLE

export interface RemoteErrorOptions extends ErrorOptions {
  /** What its `Retry-After` asks for. */
  readonly retryAfterMs?: number | undefined
}

/**
 * An error of the transcription server, or on the way to it. The message is for the user of the API: it names no address and
 * holds nothing of a transcript; the cause is for the log.
 */
export class RemoteError extends Error {
  override readonly name = 'RemoteError'
  readonly code: RemoteErrorCode
  readonly retryable: boolean
  readonly retryAfterMs: number | undefined

  constructor(code: RemoteErrorCode, message: string, { retryAfterMs, ...options }: RemoteErrorOptions = {}) {
    super(message, options)
    this.code = code
    this.retryable = RETRYABLE[code]
    this.retryAfterMs = retryAfterMs
  }
}

/** @param what goes on from "The transcription server’s answer" */
export function badAnswer(what: string): RemoteError {
  return new RemoteError('engine.bad_answer', `The transcription server’s answer ${what}.`)
}
