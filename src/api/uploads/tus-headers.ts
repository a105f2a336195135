import type { FastifyRequest } from 'fastify'
import type { UploadProgress } from '../../payloads/uploads/client-uploads.ts'
import { ApiError } from '../errors/api-error.ts'

/** The protocol's version, https://tus.io/protocols/resumable-upload. */
export const TUS_VERSION = '1.0.0'
export const TUS_EXTENSIONS = 'creation-defer-length,expiration,termination'
const PATCH_TYPE = 'application/offset+octet-stream'
const INTEGER = /^(?:0|[1-9]\d{0,15})$/

/** @throws ApiError 412 */
export function requireVersion(request: FastifyRequest): void {
  if (request.headers['tus-resumable'] === TUS_VERSION) return
  throw new ApiError(412, `Resumable uploads take the header Tus-Resumable: ${TUS_VERSION}.`, {
    headers: { 'tus-version': TUS_VERSION },
  })
}

/** @throws ApiError 415 */
export function requirePatchType(request: FastifyRequest): void {
  const [type] = request.contentType.split(';')
  if (type?.trim().toLowerCase() === PATCH_TYPE) return
  throw new ApiError(415, `A PATCH of an upload takes the header Content-Type: ${PATCH_TYPE}.`)
}

/** The method that a client means which can't send others than POST and GET. */
export function methodOf(request: FastifyRequest): string {
  const given = request.headers['x-http-method-override']
  return request.method === 'POST' && typeof given === 'string' ? given.toUpperCase() : request.method
}

/** @throws ApiError 400 */
export function uploadOffsetOf(request: FastifyRequest): number {
  const offset = integerOf('The header Upload-Offset', request.headers['upload-offset'])
  if (offset === undefined) {
    throw new ApiError(400, 'A PATCH of an upload takes the header Upload-Offset: the bytes that HEAD says are there.')
  }
  return offset
}

/** @throws ApiError 400 */
export function bodyBytesOf(request: FastifyRequest): number | undefined {
  return integerOf('The header Content-Length', request.headers['content-length'])
}

/**
 * Bytes that the upload will have, by the header or by `length` in the URL's query: an upload URL is made before its length is
 * known, and many clients say it only to who makes one.
 * @throws ApiError 400
 */
export function uploadLengthOf(request: FastifyRequest): number | undefined {
  const header = integerOf('The header Upload-Length', request.headers['upload-length'])
  const query = integerOf('length in the URL', queryOf(request).get('length') ?? undefined)
  if (header !== undefined && query !== undefined && header !== query) {
    throw new ApiError(400, `The header Upload-Length says ${header} bytes, length in the URL ${query}.`)
  }
  return header ?? query
}

/** What an answer says of the upload. */
export function progressHeaders(
  request: FastifyRequest,
  { offset, length }: UploadProgress,
): Readonly<Record<string, string>> {
  const headers = { 'upload-offset': String(offset), 'cache-control': 'no-store' }
  if (offset === length) return headers
  const expires = new Date(Number(queryOf(request).get('expires')) * 1000)
  return Number.isNaN(expires.getTime()) ? headers : { ...headers, 'upload-expires': expires.toUTCString() }
}

function queryOf(request: FastifyRequest): URLSearchParams {
  return new URLSearchParams(request.url.split('?', 2)[1] ?? '')
}

function integerOf(name: string, given: string | readonly string[] | undefined): number | undefined {
  if (given === undefined) return undefined
  if (typeof given === 'string' && INTEGER.test(given) && Number.isSafeInteger(Number(given))) return Number(given)
  throw new ApiError(
    400,
    `${name} takes one whole number, such as 1048576; got ${JSON.stringify(given).slice(0, 100)}.`,
  )
}
