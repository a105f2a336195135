import type { FastifyRequest } from 'fastify'
import { verifyPath } from '../payloads/presigned-url.ts'
import type { SignedRequest } from '../payloads/presigned-url.ts'
import { isUploadKey, ownerMatches } from '../payloads/upload-key.ts'
import type { ApiContext } from './context.ts'
import { ApiError } from './errors.ts'
import { keyIdOf, signRequest } from './signatures.ts'

const UPLOADS = '/v1/input/uploads'
const HOST = /^(?:[\w-]+(?:\.[\w-]+)*\.?|\[[\da-f:.]+\])(?::\d{1,5})?$/i
const UPLOAD_PATH = /\/v1\/input\/uploads\/([\da-f-]{36}\.[a-z\d]{1,16})$/

/** What the URLs that this request is answered with start with. */
export function baseUrl(request: FastifyRequest, { settings }: ApiContext): string {
  if (settings.publicUrl !== null) return settings.publicUrl.href.replace(/\/+$/, '')
  if (!HOST.test(request.host)) throw new ApiError(400, 'The Host header is not a host name.')
  return `${request.protocol}://${request.host}`
}

/** A presigned URL to PUT a recording to. */
export function uploadUrl(request: FastifyRequest, file: string, owner: string, context: ApiContext): Promise<string> {
  const expiresAt = inSeconds(context.settings.uploadUrlTtlSeconds)
  return presignedUrl(request, { method: 'PUT', path: `${UPLOADS}/${file}`, owner, expiresAt }, context)
}

/** A URL to poll a job by, also without an API key. */
export function pollUrl(request: FastifyRequest, jobId: string, owner: string, context: ApiContext): Promise<string> {
  const expiresAt = inSeconds(context.settings.pollUrlTtlSeconds)
  return presignedUrl(request, { method: 'GET', path: `/v1/async/requests/${jobId}`, owner, expiresAt }, context)
}

async function presignedUrl(request: FastifyRequest, signed: SignedRequest, context: ApiContext): Promise<string> {
  const url = `${baseUrl(request, context)}${signed.path}`
  return `${url}?${await signRequest(signed, context)}`
}

/**
 * The payload that an upload URL stands for, be it this server's own or the payload store's. Its expiry limits the upload alone,
 * so that a slow one can still be submitted.
 * @throws ApiError 400 for any other URL, 403 for another key's
 */
export async function payloadKeyOf(text: string, owner: string, context: ApiContext): Promise<string> {
  const url = URL.parse(text)
  if (url === null) throw notOurs()
  const key = await context.payloads.keyOfUploadUrl(url)
  return key === undefined ? keyOfOwnUrl(url, owner, context) : ownKey(key, owner, context)
}

/** The key vouches for its owner; whether its URL was signed was for the store to see. */
function ownKey(key: string, owner: string, { signingSecret }: ApiContext): string {
  if (!isUploadKey(key)) throw notOurs()
  if (!ownerMatches(signingSecret, owner, key)) throw foreign()
  return key
}

/** The host does not matter, since clients may know the server by several. */
function keyOfOwnUrl(url: URL, owner: string, { signingSecret }: ApiContext): string {
  const file = UPLOAD_PATH.exec(url.pathname)?.[1]
  if (file === undefined) throw notOurs()
  const path = `${UPLOADS}/${file}`
  const verdict = verifyPath(signingSecret, { method: 'PUT', path, query: url.searchParams }, new Date())
  if (!('owner' in verdict)) throw notOurs()
  // Whoever has the key by now has what was uploaded under it, by whichever of its secrets.
  if (keyIdOf(verdict.owner) !== owner) throw foreign()
  return `uploads/${file}`
}

function foreign(): ApiError {
  return new ApiError(403, 'URL was issued to another API key. Submit it with that one.')
}

function notOurs(): ApiError {
  return new ApiError(
    400,
    'URL is not an upload URL of this server. Ask for one with POST /v1/input/upload-url, PUT the recording there, and submit ' +
      'that URL exactly as it was returned.',
  )
}

function inSeconds(seconds: number): Date {
  return new Date(Date.now() + seconds * 1000)
}
