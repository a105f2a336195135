import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { ApiError } from './errors.ts'

/** Supervisors ask often, and must not be refused. */
const EXEMPT = new Set(['/healthz', '/readyz', '/metrics'])

/** Refuses what one API key asks beyond so many requests a second; each server counts by itself. */
export async function addRateLimit(api: FastifyInstance, maxRequestsPerSecond: number): Promise<void> {
  await api.register(rateLimit, {
    max: maxRequestsPerSecond,
    timeWindow: 1000,
    keyGenerator,
    allowList: (request) => EXEMPT.has(request.routeOptions.url ?? ''),
    errorResponseBuilder: (_request, { max }) =>
      new ApiError(429, `This server answers ${max} requests of one API key in a second. Ask less often.`, {
        headers: { 'retry-after': '1' },
      }),
  })
}

/** Whoever has no key is told apart by the signature's owner or the address. */
function keyGenerator(request: FastifyRequest): string {
  const { authorization } = request.headers
  if (authorization !== undefined) return authorization
  const { owner } = request.query as { readonly owner?: unknown }
  return typeof owner === 'string' ? `owner ${owner}` : `address ${request.ip}`
}
