import { createHmac, randomBytes } from 'node:crypto'
import { WebhookError } from './errors.ts'

/** Standard Webhooks: 24 to 64. */
const MIN_SECRET_BYTES = 24
const MAX_SECRET_BYTES = 64
const SECRET_BYTES = 32
const PREFIX = 'whsec_'
const BASE64 = /^(?:[A-Za-z\d+/]{4})*(?:[A-Za-z\d+/]{2}==|[A-Za-z\d+/]{3}=)?$/

/** A secret as receivers are given it. */
export function newSecret(): string {
  return `${PREFIX}${randomBytes(SECRET_BYTES).toString('base64')}`
}

/**
 * The bytes that are the key of the MAC: those behind the prefix, decoded.
 * @throws WebhookError `webhook.invalid`, which does not quote the secret
 */
export function secretBytes(secret: string): Buffer {
  const encoded = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : ''
  const bytes = Buffer.from(encoded, 'base64')
  const fits = bytes.length >= MIN_SECRET_BYTES && bytes.length <= MAX_SECRET_BYTES
  if (fits && BASE64.test(encoded)) return bytes
  throw new WebhookError(
    'webhook.invalid',
    `A webhook's secret is ${PREFIX} and the base64 of ${MIN_SECRET_BYTES} to ${MAX_SECRET_BYTES} random bytes, such as ` +
      `${PREFIX}$(openssl rand -base64 32). Leave it out to have the API key's own one used.`,
  )
}

/** What is signed: the body is what goes over the wire, to the byte. */
export interface SignedMessage {
  readonly id: string
  /** Of the attempt. */
  readonly at: Date
  readonly body: string
}

/**
 * The headers of Standard Webhooks 1.0. The signature's key is a secret's decoded bytes; while one secret follows another there are several
 * signatures, of which a receiver needs one.
 */
export function signedHeaders({ id, at, body }: SignedMessage, secrets: readonly string[]): Record<string, string> {
  const timestamp = String(Math.floor(at.getTime() / 1000))
  const signatures = secrets.map((secret) => {
    const mac = createHmac('sha256', secretBytes(secret)).update(`${id}.${timestamp}.${body}`).digest('base64')
    return `v1,${mac}`
  })
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') }
}
