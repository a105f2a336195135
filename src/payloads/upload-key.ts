import { createHmac, randomUUIDv7, timingSafeEqual } from 'node:crypto'
import type { PayloadKey } from './store.ts'

const UPLOAD_KEY = /^uploads\/([\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12})-([\da-f]{32})\.([a-z\d]{1,16})$/
const MAC_BYTES = 16

/**
 * A key for an upload of which nothing but its key comes back, since another server takes it: `uploads/<uuid>-<mac>.<extension>`,
 * whose first half of an HMAC-SHA256 vouches for the owner. Only what `makeUploadKey` made is taken for an upload of anyone.
 */
export function makeUploadKey(secret: Buffer, owner: string, extension: string): PayloadKey {
  const uuid = randomUUIDv7()
  return `uploads/${uuid}-${mac(secret, owner, uuid, extension).toString('hex')}.${extension}`
}

/** Whether a key has the form of those of `makeUploadKey`, whoever made it for whomever. */
export function isUploadKey(key: PayloadKey): boolean {
  return UPLOAD_KEY.test(key)
}

/** Whether this secret made the key for this owner. */
export function ownerMatches(secret: Buffer, owner: string, key: PayloadKey): boolean {
  const [, uuid, given, extension] = UPLOAD_KEY.exec(key) ?? []
  if (uuid === undefined || given === undefined || extension === undefined) return false
  return timingSafeEqual(Buffer.from(given, 'hex'), mac(secret, owner, uuid, extension))
}

/** JSON keeps the parts apart whatever is in them. */
function mac(secret: Buffer, owner: string, uuid: string, extension: string): Buffer {
  return createHmac('sha256', secret)
    .update(JSON.stringify([owner, uuid, extension]))
    .digest()
    .subarray(0, MAC_BYTES)
}
