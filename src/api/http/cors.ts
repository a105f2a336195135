import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/** Any origin, as a server whose keys never lie in a browser may be asked to say. */
const ANY = '*'
const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE'
/** What a page may read of an answer, beside what all pages may. */
const EXPOSED = [
  'Location, Retry-After, WWW-Authenticate, Idempotent-Replayed',
  'ETag, Content-Disposition, Preference-Applied',
  'Tus-Resumable, Tus-Version, Tus-Extension, Tus-Max-Size',
  'Upload-Offset, Upload-Length, Upload-Defer-Length, Upload-Expires',
  'RateLimit-Policy, RateLimit, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset',
  'X-RateLimit-Limit-Requests, X-RateLimit-Remaining-Requests, X-RateLimit-Reset-Requests',
  'X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset',
  'X-Request-Id, X-Should-Retry, X-Sotto-Job-Id, OpenAI-Processing-Ms',
].join(', ')
/** Names of headers, as they come from a browser. */
const HEADER_NAMES = /^[\w!#$%&'*+.^`|~-]+(?:, ?[\w!#$%&'*+.^`|~-]+)*$/
/** As long as Chromium remembers a preflight at most. */
const MAX_AGE_SECONDS = '7200'

/**
 * Lets pages of these origins use the API: answers the browsers' preflights, and marks all answers, errors included. Never with
 * credentials: a page sends its API key in a header of its own, and there are no cookies that a stranger's page could use.
 *
 * Not @fastify/cors: it answers every OPTIONS, or refuses those that are no preflight, and tus asks by OPTIONS what a server can do.
 */
export function addCors(api: FastifyInstance, origins: readonly string[]): void {
  if (origins.length === 0) return
  api.addHook('onRequest', (request, reply, done) => {
    const isAllowed = markForPages(request, reply, origins)
    if (isAllowed && request.method === 'OPTIONS' && 'access-control-request-method' in request.headers) {
      void answerPreflight(reply, request.headers['access-control-request-headers'])
      return
    }
    done()
  })
}

/**
 * Says on an answer whether pages may read it: for those, too, that no hook sees.
 * @returns whether the page that asks may
 */
export function markForPages(request: FastifyRequest, reply: FastifyReply, origins: readonly string[]): boolean {
  if (origins.length === 0) return false
  const { origin } = request.headers
  const isAny = origins.includes(ANY)
  // Also for those who are not let in: a cache must not give their answer to others.
  if (!isAny) reply.header('vary', 'Origin')
  if (origin === undefined || !(isAny || origins.includes(origin))) return false
  reply.header('access-control-allow-origin', isAny ? ANY : origin).header('access-control-expose-headers', EXPOSED)
  return true
}

/** Before anything else is looked at: a browser sends neither a key nor a signature's answer with it. */
function answerPreflight(reply: FastifyReply, asked: string | readonly string[] | undefined): FastifyReply {
  // Whatever the page wants to send, such as headers of its tracing: the API takes no notice of what it does not know.
  if (typeof asked === 'string' && HEADER_NAMES.test(asked)) reply.header('access-control-allow-headers', asked)
  return reply
    .status(204)
    .headers({ 'access-control-allow-methods': METHODS, 'access-control-max-age': MAX_AGE_SECONDS })
    .send()
}
