import { createHmac, timingSafeEqual } from 'node:crypto'

/** What a signature covers. */
export interface SignedRequest {
  readonly method: 'PUT' | 'GET'
  /** As it stands in the request line, percent-encoded, without a query and without a prefix that a proxy takes off. */
  readonly path: string
  /** Identifier of the API key that asked for it. */
  readonly owner: string
  readonly expiresAt: Date
}

export type Verdict =
  | { readonly outcome: 'valid' | 'expired'; readonly owner: string }
  /** No signature at all, or one that does not fit what it stands on. */
  | { readonly outcome: 'unsigned' | 'tampered' }

/**
 * The query of a presigned URL: `expires` in seconds since 1970, `owner`, and an HMAC-SHA256 of these, the method and the
 * path as `signature` in base64url. `verifyPath` takes no notice of further parameters.
 */
export function signPath(secret: Buffer, request: SignedRequest): string {
  const expires = String(Math.floor(request.expiresAt.getTime() / 1000))
  const signature = mac(secret, request.method, request.path, expires, request.owner).toString('base64url')
  return new URLSearchParams({ expires, owner: request.owner, signature }).toString()
}

/** Whether the query was signed for this method and path by this secret, and whether it still holds at `now`. */
export function verifyPath(
  secret: Buffer,
  request: { readonly method: SignedRequest['method']; readonly path: string; readonly query: URLSearchParams },
  now: Date,
): Verdict {
  const [expires, ...moreExpires] = request.query.getAll('expires')
  const [owner, ...moreOwners] = request.query.getAll('owner')
  const [signature, ...moreSignatures] = request.query.getAll('signature')
  if (expires === undefined && owner === undefined && signature === undefined) return { outcome: 'unsigned' }
  const isRepeated = moreExpires.length + moreOwners.length + moreSignatures.length > 0
  if (isRepeated || expires === undefined || owner === undefined || signature === undefined) {
    return { outcome: 'tampered' }
  }
  const expected = mac(secret, request.method, request.path, expires, owner)
  // Compared as text: base64url decodes several texts to the same bytes.
  const isOurs = equal(Buffer.from(signature), Buffer.from(expected.toString('base64url')))
  if (!isOurs) return { outcome: 'tampered' }
  return { outcome: Number(expires) * 1000 > now.getTime() ? 'valid' : 'expired', owner }
}

/** JSON keeps the parts apart whatever is in them. */
function mac(secret: Buffer, method: string, path: string, expires: string, owner: string): Buffer {
  return createHmac('sha256', secret)
    .update(JSON.stringify([method, path, expires, owner]))
    .digest()
}

function equal(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other)
}
