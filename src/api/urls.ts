import type { FastifyRequest } from 'fastify'
import { verifyPath } from '../payloads/presigned-url.ts'
import type { SignedRequest } from '../payloads/presigned-url.ts'
import { Upload } from '../payloads/uploads/upload.ts'
import type { ApiContext, ApiSettings } from './context.ts'
import { ApiError } from './errors/api-error.ts'
import { keyIdOf, signRequest } from './authentication/signatures.ts'

const HOST = /^(?:[\w-]+(?:\.[\w-]+)*\.?|\[[\da-f:.]+\])(?::\d{1,5})?$/i

/** What the URLs that this request is answered with start with. */
export function baseUrl(request: FastifyRequest, { settings }: ApiContext): string {
  if (settings.publicUrl !== null) return settings.publicUrl.href.replace(/\/+$/, '')
  if (!HOST.test(request.host)) throw new ApiError(400, 'The Host header is not a host name.')
  return `${request.protocol}://${request.host}`
}

/** A presigned URL to PUT a recording to, by way of this server. */
export async function uploadUrl(
  request: FastifyRequest,
  { path }: Upload,
  owner: string,
  context: ApiContext,
): Promise<string> {
  const expiresAt = inSeconds(context.settings.uploadUrlTtlSeconds)
  return await presignedUrl(baseUrl(request, context), { method: 'PUT', path, owner, expiresAt }, context)
}

/** A URL to poll a job by, also without an API key. */
export async function pollUrl(
  request: FastifyRequest,
  jobId: string,
  owner: string,
  context: ApiContext,
): Promise<string> {
  return await pollUrlBelow(baseUrl(request, context), { jobId, owner }, context)
}

/** The same, for whoever answers no request. */
export async function pollUrlBelow(
  base: string,
  { jobId, owner }: { readonly jobId: string; readonly owner: string },
  context: Pick<ApiContext, 'apiKeys' | 'signingSecret'> & {
    readonly settings: Pick<ApiSettings, 'pollUrlTtlSeconds'>
  },
): Promise<string> {
  const expiresAt = inSeconds(context.settings.pollUrlTtlSeconds)
  return await presignedUrl(base, { method: 'GET', path: `/v1/async/requests/${jobId}`, owner, expiresAt }, context)
}

async function presignedUrl(
  base: string,
  signed: SignedRequest,
  context: Pick<ApiContext, 'apiKeys' | 'signingSecret'>,
): Promise<string> {
  return `${base}${signed.path}?${await signRequest(signed, context)}`
}

/**
 * The upload that a URL stands for, be it this server's own or the payload store's. Its expiry limits the upload alone, so that a slow one
 * can still be submitted. Undefined for any other URL.
 * @throws ApiError 403 for another key's
 */
export async function uploadOf(text: string, owner: string, context: ApiContext): Promise<Upload | undefined> {
  const url = URL.parse(text)
  const upload = url === null ? undefined : await uploadAt(url, context)
  if (upload !== undefined && !upload.isOwnedBy(owner, context.signingSecret)) throw foreign()
  return upload
}

async function uploadAt(url: URL, { payloads: { uploads }, signingSecret }: ApiContext): Promise<Upload | undefined> {
  const key = uploads.kind === 'direct' ? await uploads.keyOf(url) : undefined
  if (key !== undefined) return Upload.of(key)
  return Upload.at(url, (path) => {
    const verdict = verifyPath(signingSecret, { method: 'PUT', path, query: url.searchParams }, new Date())
    // Bound to the key, not to one of its secrets.
    return 'owner' in verdict ? keyIdOf(verdict.owner) : undefined
  })
}

function foreign(): ApiError {
  return new ApiError(403, 'URL was issued to another API key. Submit it with that one.')
}

/** Whether a URL leads back to this server, by the name that the request came in by, or to its payload store. */
export async function isOwnUrl(text: string, request: FastifyRequest, context: ApiContext): Promise<boolean> {
  const url = URL.parse(text)
  if (url === null) return false
  const { uploads } = context.payloads
  return (
    url.origin === new URL(baseUrl(request, context)).origin ||
    (uploads.kind === 'direct' && (await uploads.isOwn(url)))
  )
}

export function notOurs(): ApiError {
  return new ApiError(
    400,
    'URL is not an upload URL of this server. Ask for one with POST /v1/input/upload-url, PUT the recording there, and submit ' +
      'that URL exactly as it was returned.',
  )
}

function inSeconds(seconds: number): Date {
  return new Date(Date.now() + seconds * 1000)
}
