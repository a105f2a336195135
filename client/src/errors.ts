import type { JobBody } from './types.ts'

/** What each error tells, whatever went wrong. */
export interface ErrorFacts {
  /** Stable; of jobs such as `audio.not_media`. */
  readonly code: string
  /** Whether the same call may succeed later. */
  readonly retryable: boolean
  /** As the server logs it. */
  readonly requestId?: string | undefined
  readonly cause?: unknown
}

/** Of all errors that this client throws, but the reason of an AbortSignal, which is thrown as it is. */
export class SottoError extends Error {
  override readonly name: string = 'SottoError'
  readonly code: string
  readonly retryable: boolean
  readonly requestId: string | undefined

  constructor(message: string, { code, retryable, requestId, cause }: ErrorFacts) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.retryable = retryable
    this.requestId = requestId
  }

  /** For logs: no key, no URL's query, no transcript. */
  toJSON(): Readonly<Record<string, unknown>> {
    const { name, message, code, retryable, requestId } = this
    return { name, message, code, retryable, ...(requestId === undefined ? {} : { requestId }) }
  }
}

/** The server was not reached, or the connection broke. */
export class ConnectionError extends SottoError {
  override readonly name = 'ConnectionError'

  constructor(message: string, cause: unknown) {
    super(message, { code: 'connection.failed', retryable: true, cause })
  }
}

/** The server did not answer within `timeoutMs`. */
export class TimedOut extends SottoError {
  override readonly name = 'TimedOut'

  constructor(message: string) {
    super(message, { code: 'connection.timed_out', retryable: true })
  }
}

/** An answer with a status from 400 on. */
export class ApiError extends SottoError {
  override readonly name: string = 'ApiError'
  readonly status: number
  /** The parsed JSON, or the text. */
  readonly body: unknown
  /** What the server asks to wait for before the next try. */
  readonly retryAfterMs: number | undefined

  constructor(message: string, answer: ApiAnswer) {
    super(message, {
      code: `http.${answer.status}`,
      retryable: RETRYABLE_STATUSES.has(answer.status),
      requestId: answer.requestId,
    })
    this.status = answer.status
    this.body = answer.body
    this.retryAfterMs = answer.retryAfterMs
  }

  override toJSON(): Readonly<Record<string, unknown>> {
    return { ...super.toJSON(), status: this.status }
  }
}

export interface ApiAnswer {
  readonly status: number
  readonly body: unknown
  readonly requestId: string | undefined
  readonly retryAfterMs: number | undefined
}

export const RETRYABLE_STATUSES: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504])

export class BadRequest extends ApiError {
  override readonly name = 'BadRequest'
}
export class Unauthorized extends ApiError {
  override readonly name = 'Unauthorized'
}
export class Forbidden extends ApiError {
  override readonly name = 'Forbidden'
}
export class NotFound extends ApiError {
  override readonly name = 'NotFound'
}
export class Conflict extends ApiError {
  override readonly name = 'Conflict'
}
export class Gone extends ApiError {
  override readonly name = 'Gone'
}
export class TooLarge extends ApiError {
  override readonly name = 'TooLarge'
}
export class Unprocessable extends ApiError {
  override readonly name = 'Unprocessable'
}
export class TooManyRequests extends ApiError {
  override readonly name = 'TooManyRequests'
}
export class Unavailable extends ApiError {
  override readonly name = 'Unavailable'
}

const BY_STATUS: Readonly<Record<number, typeof ApiError>> = {
  400: BadRequest,
  401: Unauthorized,
  403: Forbidden,
  404: NotFound,
  409: Conflict,
  410: Gone,
  413: TooLarge,
  422: Unprocessable,
  429: TooManyRequests,
  503: Unavailable,
}

/** The error of an answer, of the class that its status has. */
export function apiError(answer: ApiAnswer): ApiError {
  const Class = BY_STATUS[answer.status] ?? ApiError
  return new Class(`${answer.status}: ${messageOf(answer.body)}`, answer)
}

function messageOf(body: unknown): string {
  if (typeof body === 'object' && body !== null) {
    if ('message' in body && typeof body.message === 'string') return body.message
    if ('error' in body) return messageOf(body.error)
  }
  return typeof body === 'string' && body !== '' ? body.slice(0, 200) : 'the server gave no reason'
}

/** The upload broke off, and could not be taken up again: `transcribe` with `resume` of this error goes on from there. */
export class UploadInterrupted extends SottoError {
  override readonly name = 'UploadInterrupted'
  /** Bytes that the server has for certain. */
  readonly offset: number
  /** The upload's URL. It is presigned: whoever has it may upload. */
  readonly resume: string

  constructor({ offset, url, cause }: { readonly offset: number; readonly url: string; readonly cause: unknown }) {
    super(`The upload broke off after ${offset} bytes. It goes on from there when it is sent to its URL again.`, {
      code: 'upload.interrupted',
      retryable: true,
      cause,
    })
    this.offset = offset
    // Not enumerable, so that a logger does not print it.
    Object.defineProperty(this, 'resume', { value: url, enumerable: false })
    this.resume = url
  }
}

/** The job has finished otherwise than by success; `code` is that of its error. */
export class JobFailed extends SottoError {
  override readonly name: string = 'JobFailed'
  readonly job: JobBody

  constructor(job: JobBody, message = job.error?.message ?? 'The job failed.', code = job.error?.code ?? 'job.failed') {
    super(message, { code, retryable: false })
    this.job = job
  }

  override toJSON(): Readonly<Record<string, unknown>> {
    return { ...super.toJSON(), jobId: this.job.id }
  }
}

export class JobCancelled extends JobFailed {
  override readonly name = 'JobCancelled'

  constructor(job: JobBody) {
    super(job, 'The job was cancelled.', 'job.cancelled')
  }
}

/** The job, or its result, was removed. */
export class JobGone extends SottoError {
  override readonly name = 'JobGone'

  constructor(id: string, cause: unknown) {
    super(`The job ${id}, or its result, is not there any more.`, { code: 'job.gone', retryable: false, cause })
  }
}
