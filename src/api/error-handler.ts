import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { ApiError } from './errors.ts'
import { statusOf } from './error-status.ts'

/** How long a client is asked to wait when the server can't do something for now. */
const RETRY_AFTER_SECONDS = '5'

interface Answer {
  readonly status: number
  readonly message: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Every error leaves as `{"code": <HTTP status>, "message": …}`; what is not the client's doing is logged with its cause. */
export async function handleError(
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { status, message, headers } = answerTo(error)
  if (status >= 500) request.log.error({ err: error }, 'a request failed')
  if (status === 503) reply.header('retry-after', RETRY_AFTER_SECONDS)
  if ('retryAfterSeconds' in error) reply.header('retry-after', String(error.retryAfterSeconds))
  return await reply
    .status(status)
    .headers(headers ?? {})
    .send({ code: status, message })
}

export async function handleNotFound(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const path = request.url.split('?')[0]?.slice(0, 200)
  return await reply
    .status(404)
    .send({ code: 404, message: `There is no ${request.method} ${path}. /docs lists what there is.` })
}

function answerTo(error: FastifyError | ApiError): Answer {
  if (error instanceof ApiError) return error
  if ('validation' in error && error.validation !== undefined) return { status: 400, message: validationMessage(error) }
  const status = statusOf(error.code) ?? fastifyStatus(error)
  if (status !== undefined) return { status, message: error.message }
  return { status: 500, message: 'The server failed on this request. Its log says why.' }
}

/** Fastify's own refusals of a request, such as a body that is no JSON. */
function fastifyStatus(error: FastifyError): number | undefined {
  const isRefusal = error.code.startsWith('FST_') && error.statusCode !== undefined && error.statusCode < 500
  return isRefusal ? error.statusCode : undefined
}

/** Ajv's first complaint, with the name of what it complains about. */
export function validationMessage(error: FastifyError): string {
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
