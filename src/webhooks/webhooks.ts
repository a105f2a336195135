import { randomBytes } from 'node:crypto'
import { TERMINAL_WEBHOOK_EVENTS, WEBHOOK_EVENT_TYPES } from '../contract/webhook-event.ts'
import type { WebhookEvent } from '../contract/webhook-event.ts'
import type { JobWebhook } from '../jobs/job.ts'
import type { Database } from '../jobs/sql/dialect.ts'
import { tryDelivery } from './attempt.ts'
import type { Attempt, GuardedClient } from './attempt.ts'
import { DefaultWebhooks } from './defaults.ts'
import { DeliveryLog } from './delivery-log.ts'
import { jobWebhook } from './endpoint.ts'
import type { Endpoint } from './endpoint.ts'
import { KeySecrets } from './key-secrets.ts'
import { testMessage } from './message.ts'
import { secretBytes } from './secret.ts'

/** A webhook as a client asks for it. */
export interface AskedWebhook {
  readonly url: string
  /** How jobs end, unless it is said. */
  readonly events?: readonly WebhookEvent[]
  /** `whsec_…`; the key's unless it is said. */
  readonly secret?: string
  readonly include?: Endpoint['include']
}

/** Judges a URL that somebody names. */
export interface UrlGuard {
  /** @throws OutboundError `outbound.refused` */
  judge(url: string, signal: AbortSignal): Promise<URL>
}

export interface WebhooksOptions {
  readonly database: Database
  readonly guard: UrlGuard
  readonly client: GuardedClient
  /** There may be something to deliver. */
  readonly ring?: () => void
}

/** What keys may say of their webhooks, and learn of them. */
export class Webhooks {
  readonly secrets: KeySecrets
  readonly defaults: DefaultWebhooks
  readonly log: DeliveryLog
  readonly #options: WebhooksOptions

  constructor(options: WebhooksOptions) {
    const { database } = options
    this.secrets = new KeySecrets(database)
    this.defaults = new DefaultWebhooks(database)
    this.log = new DeliveryLog(database)
    this.#options = options
  }

  /**
   * Whom a new job's events are told, as its submit names it.
   * @param base what links begin with
   * @throws WebhookError `webhook.invalid`, OutboundError `outbound.refused`
   */
  async named(keyId: string, asked: AskedWebhook, base: string, signal: AbortSignal): Promise<JobWebhook> {
    return jobWebhook(keyId, { base, endpoint: await this.endpoint(asked, signal) }, eventsOf(asked))
  }

  /** The same where its submit names none; null: nobody is told. */
  async byDefault(keyId: string, base: string): Promise<JobWebhook | null> {
    const found = await this.defaults.known(keyId)
    if (found === undefined || found.disabledAt !== null) return null
    return jobWebhook(keyId, { base, endpoint: null }, found.events)
  }

  /** @throws WebhookError `webhook.invalid`, OutboundError `outbound.refused` */
  async setDefault(keyId: string, asked: AskedWebhook, signal: AbortSignal): Promise<void> {
    await this.defaults.set(keyId, await this.endpoint(asked, signal), eventsOf(asked))
    this.#options.ring?.()
  }

  /** Says whether there is such a delivery. */
  async replay(jobId: string, deliveryId: string): Promise<boolean> {
    const isThere = await this.log.replay(jobId, deliveryId)
    this.#options.ring?.()
    return isThere
  }

  /**
   * Tells a receiver that this is a test, once and now.
   * @throws WebhookError, OutboundError, the signal's reason
   */
  async test(keyId: string, asked: AskedWebhook, signal: AbortSignal): Promise<Attempt> {
    const { url, secret } = await this.endpoint(asked, signal)
    const at = new Date()
    const { attempt } = await tryDelivery({
      ...{ client: this.#options.client, url, signal },
      message: { id: `evt_${randomBytes(16).toString('hex')}`, at, body: testMessage(at) },
      secrets: secret === null ? await this.secrets.signing(keyId) : [secret],
    })
    return attempt
  }

  /** @throws WebhookError `webhook.invalid`, OutboundError `outbound.refused` */
  async endpoint({ url, secret, include }: AskedWebhook, signal: AbortSignal): Promise<Endpoint> {
    if (secret !== undefined) secretBytes(secret)
    const { href } = await this.#options.guard.judge(url, signal)
    return { url: href, include: include ?? [], secret: secret ?? null }
  }
}

/** What it is told, in one order, each once. */
export function eventsOf({ events = TERMINAL_WEBHOOK_EVENTS }: AskedWebhook): readonly WebhookEvent[] {
  return WEBHOOK_EVENT_TYPES.filter((type) => events.includes(type))
}
