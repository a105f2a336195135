import { isWebhookEvent } from '../contract/webhook-event.ts'
import type { WebhookEvent } from '../contract/webhook-event.ts'
import type { Database } from '../jobs/sql/dialect.ts'
import { dateOf } from '../jobs/sql/job-row.ts'
import { endpointOf } from './endpoint.ts'
import type { Endpoint } from './endpoint.ts'

/** Where what happens to a key's jobs is told that name no webhook of their own. */
export interface DefaultWebhook {
  readonly endpoint: Endpoint
  readonly events: readonly WebhookEvent[]
  readonly updatedAt: Date
  /** When it answered with 410; null: it is told. */
  readonly disabledAt: Date | null
}

/** The default webhooks of API keys. Submits ask for them, so what was read is remembered, as long as the database's version stays. */
export class DefaultWebhooks {
  readonly #database: Database
  readonly #known = new Map<string, DefaultWebhook | undefined>()
  #version = Number.NaN

  constructor(database: Database) {
    this.#database = database
  }

  /** As it is, up to a second ago where several servers share a database. */
  async known(keyId: string): Promise<DefaultWebhook | undefined> {
    const version = this.#database.version()
    if (version !== this.#version) this.#known.clear()
    this.#version = version
    if (this.#known.has(keyId)) return this.#known.get(keyId)
    const found = await this.find(keyId)
    if (this.#version === version) this.#known.set(keyId, found)
    return found
  }

  async find(keyId: string): Promise<DefaultWebhook | undefined> {
    const row = await this.#database.queries
      .selectFrom('webhook_defaults')
      .selectAll()
      .where('key_id', '=', keyId)
      .executeTakeFirst()
    const endpoint = row && endpointOf(row.endpoint)
    if (row === undefined || endpoint === undefined) return undefined
    return {
      endpoint,
      events: row.events.split(' ').filter(isWebhookEvent),
      updatedAt: dateOf(row.updated_at),
      disabledAt: row.disabled_at === null ? null : dateOf(row.disabled_at),
    }
  }

  /** Also makes one that was disabled be told again. What is still to be told goes to the new one. */
  async set(keyId: string, endpoint: Endpoint, events: readonly WebhookEvent[]): Promise<void> {
    const { queries, dialect } = this.#database
    const row = {
      endpoint: JSON.stringify(endpoint),
      events: events.join(' '),
      updated_at: dialect.now,
      disabled_at: null,
    }
    await queries
      .insertInto('webhook_defaults')
      .values({ key_id: keyId, ...row })
      .onConflict((conflict) => conflict.column('key_id').doUpdateSet(row))
      .execute()
    this.#forget()
  }

  /** What is still to be told is dropped when its turn comes. Says whether there was one. */
  async remove(keyId: string): Promise<boolean> {
    const { queries } = this.#database
    const { numDeletedRows } = await queries
      .deleteFrom('webhook_defaults')
      .where('key_id', '=', keyId)
      .executeTakeFirst()
    this.#forget()
    return numDeletedRows > 0n
  }

  /** @param endpoint the one that answered that it is gone: another one may have been set since */
  async disable(keyId: string, endpoint: Endpoint): Promise<void> {
    const { queries, dialect } = this.#database
    await queries
      .updateTable('webhook_defaults')
      .set({ disabled_at: dialect.now })
      .where('key_id', '=', keyId)
      .where('endpoint', '=', JSON.stringify(endpoint))
      .execute()
    this.#forget()
  }

  #forget(): void {
    this.#known.clear()
    this.#version = Number.NaN
  }
}
