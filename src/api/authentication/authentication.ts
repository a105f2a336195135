import type { FastifyRequest } from 'fastify'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/api-error.ts'
import { isExpired } from './api-key.ts'
import { principalOf, signatureOf } from './principal.ts'
import type { Principal } from './principal.ts'
import { verify } from './signatures.ts'
import type { SignatureVerdict } from './signatures.ts'
import { MAX_TOKEN_LENGTH, isToken, verifyToken } from './tokens.ts'

const BEARER = new RegExp(`^Bearer +([^\\s]{1,${MAX_TOKEN_LENGTH}})$`, 'i')

/**
 * Whose key, or short-lived token, a request carries.
 * @throws ApiError 401
 */
export async function authenticate(request: FastifyRequest, context: ApiContext): Promise<Principal> {
  const secret = secretOf(request)
  if (secret === undefined)
    throw unauthorized('This needs an API key: send the header Authorization: Bearer <API key>.')
  return isToken(secret) ? await ofToken(secret, context) : await ofKey(secret, context)
}

async function ofKey(secret: string, { apiKeys }: ApiContext): Promise<Principal> {
  const key = await apiKeys.verify(secret)
  if (key === undefined) throw unauthorized('The API key is not valid here, or was revoked.')
  if (isExpired(key))
    throw unauthorized(`The API key has expired (${key.expiresAt?.toISOString()}). Ask for another one.`)
  return principalOf(key)
}

async function ofToken(token: string, context: ApiContext): Promise<Principal> {
  const verdict = await verifyToken(token, context)
  switch (verdict.outcome) {
    case 'valid':
      return verdict.principal
    case 'expired':
      throw unauthorized('The token has expired. Ask for a new one.')
    case 'revoked':
      throw unauthorized('The API key that this token was made with was revoked or replaced, or has expired.')
    case 'unknown':
      throw unauthorized('The token is none of this server’s, or was changed. Use it exactly as it was returned.')
  }
}

/** Whether the request carries a key that was not found valid before, so that it may be a guess. A token can't be guessed. */
export function isGuess(request: FastifyRequest, { apiKeys }: ApiContext): boolean {
  const secret = secretOf(request)
  return secret !== undefined && !isToken(secret) && !apiKeys.isKnown(secret)
}

function secretOf(request: FastifyRequest): string | undefined {
  return BEARER.exec(request.headers.authorization ?? '')?.[1] ?? tokenInQuery(request)
}

/**
 * An EventSource can't send a header. Taken where the route says so, and of tokens alone: what stands in a URL ends up in logs, histories
 * and headers, where a key has no place.
 */
function tokenInQuery(request: FastifyRequest): string | undefined {
  if (request.routeOptions.config.takesQueryToken !== true) return undefined
  const { query } = request
  const token: unknown = typeof query === 'object' && query !== null ? Reflect.get(query, 'token') : undefined
  if (token === undefined) return undefined
  if (typeof token === 'string' && isToken(token)) return token
  throw unauthorized('The query parameter token takes a short-lived token of POST /v1/tokens, never an API key.')
}

/**
 * As `authenticate`, but a presigned URL's signature counts before any `Authorization`, which may be a proxy's or another
 * program's. Where the signature does not count, the key still may.
 * @throws ApiError 401; 403 for a signature that was tampered with, has expired, or whose key is gone
 */
export async function authenticateOrVerify(request: FastifyRequest, context: ApiContext): Promise<Principal> {
  const verdict = await verify(request, 'GET', context)
  if (verdict.outcome === 'valid') return await ofSignature(verdict, 'read', context)
  if (verdict.outcome === 'unsigned') return await authenticate(request, context)
  if (request.headers.authorization === undefined) return await ofSignature(verdict, 'read', context)
  return await authenticateInstead(request, verdict, context)
}

/** The key where it is a valid one; else what is wrong with the signature says more. */
async function authenticateInstead(
  request: FastifyRequest,
  verdict: SignatureVerdict,
  context: ApiContext,
): Promise<Principal> {
  try {
    return await authenticate(request, context)
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return await ofSignature(verdict, 'read', context)
    throw error
  }
}

/**
 * The key that an upload URL was signed for.
 * @throws ApiError 403, which says what is wrong with the URL
 */
export async function authenticateUpload(request: FastifyRequest, context: ApiContext): Promise<Principal> {
  return await ofSignature(await verify(request, 'PUT', context), 'transcribe', context)
}

async function ofSignature(
  verdict: SignatureVerdict,
  scope: 'read' | 'transcribe',
  { apiKeys }: ApiContext,
): Promise<Principal> {
  const key = await apiKeys.find(ownerOf(verdict))
  if (key === undefined) throw gone()
  return signatureOf(key, scope)
}

function ownerOf(verdict: SignatureVerdict): string {
  switch (verdict.outcome) {
    case 'valid':
      return verdict.owner
    case 'expired':
      throw new ApiError(403, 'This URL has expired. Ask for a new one.')
    case 'revoked':
      throw gone()
    case 'tampered':
    case 'unsigned':
      throw new ApiError(
        403,
        'The signature of this URL is missing or does not fit it. Use the URL exactly as it was returned.',
      )
  }
}

function gone(): ApiError {
  return new ApiError(
    403,
    'The API key that this URL was made for was revoked or replaced, or has expired. Ask for a new one.',
  )
}

function unauthorized(message: string): ApiError {
  return new ApiError(401, message, { headers: { 'www-authenticate': 'Bearer' } })
}
