import { createHmac } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { signPath, verifyPath } from '../../payloads/presigned-url.ts'
import type { SignedRequest, Verdict } from '../../payloads/presigned-url.ts'
import type { ApiContext } from '../context.ts'

export type SignatureVerdict = Verdict | { readonly outcome: 'revoked' }

/** 96 bits are enough: the MAC around it protects it, so it only has to differ. */
const MARK_LENGTH = 16

/** The query of a presigned URL, which holds as long as its owner's key does. */
export async function signRequest(
  request: SignedRequest,
  { apiKeys, signingSecret }: Pick<ApiContext, 'apiKeys' | 'signingSecret'>,
): Promise<string> {
  const generation = (await apiKeys.generation(request.owner)) ?? ''
  const owner = generation === '' ? request.owner : `${request.owner}.${markOf(generation, signingSecret)}`
  return signPath(signingSecret, { ...request, owner })
}

/** A poll URL's signature covers what lies below it too, such as the job's events. */
const POLL_PATH = /^\/v1\/async\/requests\/[^/]+/

/** Whether a request carries a signature for it, and the key that it was signed for is still valid. Its `owner` is that key's id. */
export async function verify(
  request: FastifyRequest,
  method: 'GET' | 'PUT',
  { apiKeys, signingSecret }: ApiContext,
): Promise<SignatureVerdict> {
  const [path = '', query = ''] = request.url.split('?', 2)
  const signed = method === 'GET' ? (POLL_PATH.exec(path)?.[0] ?? path) : path
  const verdict = verifyPath(signingSecret, { method, path: signed, query: new URLSearchParams(query) }, new Date())
  // The key is looked up only when the MAC is right: a forged URL costs no query.
  if (!('owner' in verdict)) return verdict
  const { owner, mark } = partsOf(verdict.owner)
  const generation = await apiKeys.generation(owner)
  const isSame = generation !== undefined && mark === (generation === '' ? '' : markOf(generation, signingSecret))
  return isSame ? { ...verdict, owner } : { outcome: 'revoked' }
}

/** The id of the key that a presigned URL was signed for. */
export function keyIdOf(owner: string): string {
  return partsOf(owner).owner
}

function partsOf(text: string): { readonly owner: string; readonly mark: string } {
  const [owner = '', mark = ''] = text.split('.', 2)
  return { owner, mark }
}

/** Of a key's generation. A MAC, not a hash, so that what carries it does not help to guess a weak secret offline. */
export function markOf(generation: string, signingSecret: Buffer): string {
  return createHmac('sha256', signingSecret).update(`key ${generation}`).digest('base64url').slice(0, MARK_LENGTH)
}
