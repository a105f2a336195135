import { SottoError } from './errors.ts'
import { webCrypto } from './web-crypto.ts'

/** Seconds by which the sender's clock may differ, and that a captured request can be played again. */
const TOLERANCE_SECONDS = 300

/** What a webhook says. */
export interface WebhookEvent {
  /** Such as `job.success`. */
  readonly type: string
  readonly timestamp: string
  readonly data: Readonly<Record<string, unknown>>
}

export interface WebhookRequest {
  /** Just as it came: JSON that was parsed and written again has another signature. */
  readonly body: string
  readonly headers: Headers | Readonly<Record<string, string | readonly string[] | undefined>>
  /** `whsec_…`; several while they are being rotated. */
  readonly secret: string | readonly string[]
}

/**
 * Says what a webhook tells, once its signature is verified (Standard Webhooks 1.0, HMAC-SHA256).
 * @throws SottoError `webhook.invalid`
 */
export async function verifyWebhook({ body, headers, secret }: WebhookRequest): Promise<WebhookEvent> {
  const id = headerOf(headers, 'webhook-id')
  const timestamp = headerOf(headers, 'webhook-timestamp')
  const given = headerOf(headers, 'webhook-signature')
    .split(' ')
    .flatMap((entry) => (entry.startsWith('v1,') ? [entry.slice(3)] : []))
  const age = Math.abs(Date.now() / 1000 - Number(timestamp))
  if (!(age <= TOLERANCE_SECONDS)) throw invalid('its time is not now')
  const { subtle } = await webCrypto()
  const signed = new TextEncoder().encode(`${id}.${timestamp}.${body}`)
  for (const one of typeof secret === 'string' ? [secret] : secret) {
    const key = await subtle.importKey('raw', bytesOf(one.replace(/^whsec_/, '')), HMAC, false, ['verify'])
    for (const signature of given) {
      // In constant time.
      if (await subtle.verify('HMAC', key, bytesOf(signature), signed)) return eventOf(body)
    }
  }
  throw invalid('no signature fits its body and the secret')
}

const HMAC = { name: 'HMAC', hash: 'SHA-256' } as const

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
  } catch {
    throw invalid('a signature or the secret is not base64')
  }
}

function headerOf(headers: WebhookRequest['headers'], name: string): string {
  const value = headers instanceof Headers ? headers.get(name) : headers[name]
  const text = typeof value === 'object' ? value?.[0] : value
  if (typeof text === 'string' && text !== '') return text
  throw invalid(`the header ${name} is missing`)
}

function eventOf(body: string): WebhookEvent {
  const event: unknown = JSON.parse(body)
  if (typeof event === 'object' && event !== null && 'type' in event) return event as WebhookEvent
  throw invalid('its body is no event')
}

function invalid(reason: string): SottoError {
  return new SottoError(`The webhook is not to be trusted: ${reason}.`, { code: 'webhook.invalid', retryable: false })
}
