import type { FastifyReply, FastifyRequest } from 'fastify'
import { ERROR_CODES } from '../../contract/error-codes.ts'
import type { ErrorCode } from '../../contract/error-codes.ts'
import { CodedError, hasCode } from '../../contract/coded-error.ts'
import { ApiError } from '../errors/api-error.ts'
import { beginRefusal, pathOf } from '../errors/error-handler.ts'
import { errorFormOf } from './paths.ts'

/** An error in OpenAI's form. All four are always there. */
export interface OpenAiErrorBody {
  readonly message: string
  readonly type: string
  readonly param: string | null
  readonly code: string | null
}

export interface FieldErrorOptions extends ErrorOptions {
  readonly status?: number
  /** Of the form or the path; null: it is of none. */
  readonly param?: string | null
  /** Of OpenAI's codes, or of ours. */
  readonly code?: string
  /** Whether the client is to send it again by itself; it would, for other statuses than these errors have. */
  readonly shouldRetry?: boolean
}

/** A request that OpenAI's routes refuse, with what its clients look at. */
export class FieldError extends ApiError {
  readonly param: string | null
  readonly openAiCode: string | null
  readonly shouldRetry: boolean | undefined

  constructor(message: string, { status = 400, param = null, code, shouldRetry, ...options }: FieldErrorOptions = {}) {
    super(status, message, options)
    this.param = param
    this.openAiCode = code ?? null
    this.shouldRetry = shouldRetry
  }
}

/** What our statuses are to clients that retry 409 as a lock, and know of no other refusal of a body than 400, 413 and 415. */
const STATUS: Readonly<Record<number, number>> = { 409: 400, 410: 400, 422: 400, 423: 503 }

const TYPES: Readonly<Record<number, string>> = {
  401: 'invalid_request_error',
  403: 'permission_error',
  429: 'rate_limit_error',
}
const CODES: Readonly<Record<number, string>> = { 401: 'invalid_api_key', 429: 'rate_limit_exceeded' }

/** The status that OpenAI's clients are told instead of ours. */
export function openAiStatus(status: number): number {
  return STATUS[status] ?? status
}

function openAiErrorOf(status: number, message: string, code: string | null, param: string | null): OpenAiErrorBody {
  const type = TYPES[status] ?? (status >= 500 ? 'server_error' : 'invalid_request_error')
  return { message, type, param, code: code ?? CODES[status] ?? null }
}

/** What is told of an error within a stream that has begun. */
export function streamedErrorOf(error: unknown): OpenAiErrorBody {
  if (error instanceof FieldError) return openAiErrorOf(error.status, error.message, error.openAiCode, error.param)
  return openAiErrorOf(500, 'The server failed on this request. Its log says why.', null, null)
}

/** Answers errors of OpenAI's routes in its form, others as they are otherwise answered. */
export async function answerOpenAiError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  otherwise: (error: unknown, request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>,
): Promise<FastifyReply> {
  const form = errorFormOf(pathOf(request))
  if (form === 'own') return await otherwise(error, request, reply)
  const { status: own, message, details } = beginRefusal(error, request, reply)
  const status = openAiStatus(own)
  const field = fieldErrorOf(error)
  const body = openAiErrorOf(status, message, field?.openAiCode ?? codeOf(error, own), field?.param ?? null)
  const shouldRetry = field?.shouldRetry ?? (error instanceof CodedError ? isPassing(error, status) : own >= 500)
  void reply.status(form === 'both' ? own : status).header('x-should-retry', String(shouldRetry))
  // By no schema of the route: those that all routes are given say what errors are elsewhere.
  void reply.type('application/json; charset=utf-8').serializer((value: unknown) => JSON.stringify(value))
  return await reply.send(form === 'both' ? { code: own, message, ...details, error: body } : { error: body })
}

/** Also of a body that was refused while it was stored. */
function fieldErrorOf(error: unknown): FieldError | undefined {
  if (error instanceof FieldError) return error
  return hasCode(error, 'payload.interrupted') && error instanceof Error && error.cause instanceof FieldError
    ? error.cause
    : undefined
}

/** What passes by itself; what the server's own faults are is not known to do so. */
function isPassing({ retryable }: CodedError, status: number): boolean {
  return retryable && (status === 408 || status === 429 || status >= 500)
}

/** Of this API's own refusals there is none. */
function codeOf(error: unknown, status: number): string | null {
  if (!(error instanceof CodedError) || error.code === 'request.refused' || status === 500) return null
  return error.code
}

/** Whether a job that failed with this code may succeed when its client asks for it again. */
export function isWorthRepeating(code: ErrorCode, status: number): boolean {
  return status === 503 && ERROR_CODES[code].retryable
}
