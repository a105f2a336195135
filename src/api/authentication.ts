import type { FastifyRequest } from 'fastify'
import { whenThere } from '../jobs/soon.ts'
import type { Soon } from '../jobs/soon.ts'
import { verifyPath } from '../payloads/presigned-url.ts'
import type { Verdict } from '../payloads/presigned-url.ts'
import type { ApiContext } from './context.ts'
import { ApiError } from './errors.ts'

const BEARER = /^Bearer +([^\s]{1,512})$/i

/**
 * The id of the key that a request carries.
 * @throws ApiError 401
 */
export function authenticate(request: FastifyRequest, { apiKeys }: ApiContext): Soon<string> {
  const secret = secretOf(request)
  if (secret === undefined)
    throw unauthorized('This needs an API key: send the header Authorization: Bearer <API key>.')
  return whenThere(apiKeys.verify(secret), (keyId) => {
    if (keyId === undefined) throw unauthorized('The API key is not valid here, or was revoked.')
    return keyId
  })
}

/** Whether the request carries a key that was not found valid before, so that it may be a guess. */
export function isGuess(request: FastifyRequest, { apiKeys }: ApiContext): boolean {
  const secret = secretOf(request)
  return secret !== undefined && !apiKeys.isKnown(secret)
}

function secretOf(request: FastifyRequest): string | undefined {
  return BEARER.exec(request.headers.authorization ?? '')?.[1]
}

/**
 * As `authenticate`, but a request without the header may carry the signature of a presigned URL instead.
 * @throws ApiError 401; 403 for a signature that was tampered with or has expired
 */
export function authenticateOrVerify(request: FastifyRequest, context: ApiContext): Soon<string> {
  if (request.headers.authorization !== undefined) return authenticate(request, context)
  const verdict = verify(request, 'GET', context)
  if (verdict.outcome === 'unsigned') return authenticate(request, context)
  return requireValid(verdict)
}

export function verify(request: FastifyRequest, method: 'GET' | 'PUT', { signingSecret }: ApiContext): Verdict {
  const [path = '', query = ''] = request.url.split('?', 2)
  return verifyPath(signingSecret, { method, path, query: new URLSearchParams(query) }, new Date())
}

/** @throws ApiError 403, which says what is wrong with the URL */
export function requireValid(verdict: Verdict): string {
  switch (verdict.outcome) {
    case 'valid':
      return verdict.owner
    case 'expired':
      throw new ApiError(403, 'This URL has expired. Ask for a new one.')
    case 'tampered':
    case 'unsigned':
      throw new ApiError(
        403,
        'The signature of this URL is missing or does not fit it. Use the URL exactly as it was returned.',
      )
  }
}

function unauthorized(message: string): ApiError {
  return new ApiError(401, message, { headers: { 'www-authenticate': 'Bearer' } })
}
