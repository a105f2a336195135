import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { CodedError, hasCode } from '../../contract/coded-error.ts'
import { KeyError } from '../authentication/key-errors.ts'
import { hasBody } from '../http/connection.ts'
import { markForPages } from '../http/cors.ts'
import { ApiError } from './api-error.ts'
import { statusOf } from './error-status.ts'

/** How long a client is asked to wait when the server can't do something for now. */
const RETRY_AFTER_SECONDS = '5'

/** What an error is answered with. */
export interface Refusal {
  readonly status: number
  readonly message: string
  readonly headers?: Readonly<Record<string, string>>
  /** For programs, beside what all errors say. */
  readonly details?: Readonly<Record<string, string>>
}

/**
 * Every error leaves as `{"code": <HTTP status>, "message": …}`, some with more, whatever was thrown; what is not the client's doing is logged with its
 * cause.
 */
export async function handleError(error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { status, message, details } = beginRefusal(error, request, reply)
  return await reply.send({ code: status, message, ...details })
}

/** Logs what is not the client's doing, and gives the answer its status and headers; its body is the caller's. */
export function beginRefusal(error: unknown, request: FastifyRequest, reply: FastifyReply): Refusal {
  const refusal = loggedRefusal(error, request)
  const { status, headers } = refusal
  if (status === 503) reply.header('retry-after', RETRY_AFTER_SECONDS)
  const retryAfterSeconds = fieldOf(error, 'retryAfterSeconds')
  if (typeof retryAfterSeconds === 'number') reply.header('retry-after', String(retryAfterSeconds))
  void reply.status(status).headers(headers ?? {})
  return refusal
}

/** What an error is answered with. What is not the client's doing is logged. */
export function loggedRefusal(error: unknown, request: FastifyRequest): Refusal {
  const answer = answerTo(error)
  if (answer.status >= 500) logFailure(error, request)
  return answer
}

function logFailure(error: unknown, request: FastifyRequest): void {
  const { id: requestId, method } = request
  // Without the query, where signatures are.
  const where = { requestId, method, path: pathOf(request) }
  try {
    request.log.error({ err: error, ...where }, 'a request failed')
  } catch {
    // One that can't be taken apart, such as a frozen one.
    request.log.error({ err: String(error), ...where }, 'a request failed')
  }
}

/** Answers what Fastify refuses before any route is found, and before any hook has run. */
export function frameworkErrors(
  corsOrigins: readonly string[],
): (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => void {
  return (error, request, reply) => {
    markForPages(request, reply, corsOrigins)
    if (hasBody(request)) reply.header('connection', 'close')
    reply.header('x-content-type-options', 'nosniff')
    void handleError(error, request, reply)
  }
}

/** What is answered where there is no route. */
export function noRoute(request: FastifyRequest): ApiError {
  return new ApiError(404, `There is no ${request.method} ${pathOf(request)}. /docs lists what there is.`)
}

function answerTo(error: unknown): Refusal {
  if (error instanceof ApiError) return error
  // A body that was refused while something read it.
  const cause = fieldOf(error, 'cause')
  if (hasCode(error, 'payload.interrupted') && cause instanceof ApiError) return cause
  if (isFastifyError(error) && error.validation !== undefined) return { status: 400, message: validationMessage(error) }
  const status = error instanceof CodedError ? statusOf(error.code) : fastifyStatus(error)
  if (status !== undefined && error instanceof KeyError) {
    return { status, message: error.message, headers: error.headers, details: error.details }
  }
  if (status !== undefined && error instanceof Error) return { status, message: error.message }
  return { status: 500, message: 'The server failed on this request. Its log says why.' }
}

/** Fastify's own refusals of a request, such as a body that is no JSON. */
function fastifyStatus(error: unknown): number | undefined {
  return isFastifyError(error) && error.statusCode !== undefined && error.statusCode < 500
    ? error.statusCode
    : undefined
}

function isFastifyError(error: unknown): error is FastifyError {
  const code = fieldOf(error, 'code')
  return error instanceof Error && typeof code === 'string' && code.startsWith('FST_')
}

function fieldOf(error: unknown, name: string): unknown {
  return typeof error === 'object' && error !== null && name in error ? Reflect.get(error, name) : undefined
}

/** Without the query, where signatures are. */
export function pathOf({ url }: FastifyRequest): string {
  return (url.split('?')[0] ?? '').slice(0, 200)
}

/** Ajv's first complaint, with the name of what it complains about. */
export function validationMessage(error: Pick<FastifyError, 'validation' | 'validationContext'>): string {
  const [first] = error.validation ?? []
  const where = { body: 'the body', querystring: 'the query', params: 'the path', headers: 'the headers' }[
    error.validationContext ?? 'body'
  ]
  const field = first?.instancePath.slice(1).replaceAll('/', '.') ?? ''
  const name = field === '' ? '' : `${field} in `
  const extra = first?.params['additionalProperty']
  const detail = typeof extra === 'string' ? `has no field ${JSON.stringify(extra.slice(0, 100))}` : first?.message
  return `${name}${where} ${detail ?? 'is invalid'}.`
}
