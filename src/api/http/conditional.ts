import type { FastifyRequest } from 'fastify'

/** Whether the client's `If-None-Match` names this ETag, so that it has what would be sent (RFC 9110, 13.1.2: compared weakly). */
export function isCurrent(request: FastifyRequest, etag: string): boolean {
  const given = request.headers['if-none-match']
  if (given === undefined) return false
  const opaque = etag.replace(/^W\//, '')
  return given.trim() === '*' || given.split(',').some((each) => each.trim().replace(/^W\//, '') === opaque)
}
