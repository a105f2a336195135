import type { FastifyRequest } from 'fastify'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/api-error.ts'
import { verify } from './signatures.ts'
import type { SignatureVerdict } from './signatures.ts'

export { verify }

const BEARER = /^Bearer +([^\s]{1,512})$/i

/**
 * The id of the key that a request carries.
 * @throws ApiError 401
 */
export async function authenticate(request: FastifyRequest, { apiKeys }: ApiContext): Promise<string> {
  const secret = secretOf(request)
  if (secret === undefined)
    throw unauthorized('This needs an API key: send the header Authorization: Bearer <API key>.')
  const keyId = await apiKeys.verify(secret)
  if (keyId === undefined) throw unauthorized('The API key is not valid here, or was revoked.')
  return keyId
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
 * As `authenticate`, but a presigned URL's signature counts before any `Authorization`, which may be a proxy's or another
 * program's. Where the signature does not count, the key still may.
 * @throws ApiError 401; 403 for a signature that was tampered with, has expired, or whose key is gone
 */
export async function authenticateOrVerify(request: FastifyRequest, context: ApiContext): Promise<string> {
  const verdict = await verify(request, 'GET', context)
  if (verdict.outcome === 'valid') return verdict.owner
  if (verdict.outcome === 'unsigned') return await authenticate(request, context)
  if (request.headers.authorization === undefined) return ownerOf(verdict)
  return await authenticateInstead(request, verdict, context)
}

/** The key where it is a valid one; else what is wrong with the signature says more. */
async function authenticateInstead(
  request: FastifyRequest,
  verdict: SignatureVerdict,
  context: ApiContext,
): Promise<string> {
  try {
    return await authenticate(request, context)
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return ownerOf(verdict)
    throw error
  }
}

/**
 * The id of the key that a URL was signed for.
 * @throws ApiError 403, which says what is wrong with the URL
 */
export async function requireValid(verdict: Promise<SignatureVerdict>): Promise<string> {
  return ownerOf(await verdict)
}

function ownerOf(verdict: SignatureVerdict): string {
  switch (verdict.outcome) {
    case 'valid':
      return verdict.owner
    case 'expired':
      throw new ApiError(403, 'This URL has expired. Ask for a new one.')
    case 'revoked':
      throw new ApiError(403, 'The API key that this URL was made for was revoked or replaced. Ask for a new one.')
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
