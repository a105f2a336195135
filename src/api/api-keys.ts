import { hash, randomBytes, randomUUID } from 'node:crypto'
import type { Selectable } from 'kysely'
import type { Database } from '../jobs/dialect.ts'
import { dateOf } from '../jobs/job-row.ts'
import type { ApiKeysTable } from '../jobs/schema.ts'
import type { Soon } from '../jobs/soon.ts'

export interface ApiKey {
  readonly id: string
  readonly name: string
  /** The first characters of the secret; empty for the environment's. */
  readonly prefix: string
  readonly createdAt: Date
}

export interface NewApiKey extends ApiKey {
  readonly secret: string
}

/** `sotto_` and 24 of the 256 bits. */
const PREFIX_LENGTH = 10

/** One id, so that of servers that start at once one makes it. */
const FIRST_ID = 'first'

/** Also an owner: jobs stay reachable when the variable's secret changes. */
const ENVIRONMENT_ID = 'environment'

/**
 * The keys that requests are authorised by, in the database, so that what another process changes holds from the next
 * request on. Secrets have 256 random bits, so a plain hash is enough to keep them by.
 */
export class ApiKeys {
  readonly #database: Database
  /** Ids of valid secrets, as far as they were asked for since `#version`: clients poll, and a hash takes as long as all else of a poll. */
  readonly #known = new Map<string, string>()
  #version = Number.NaN

  constructor(database: Database) {
    this.#database = database
  }

  /** Makes a key. Its secret can't be had again. */
  async create(name: string): Promise<NewApiKey> {
    const key = await this.#insert(randomUUID(), name)
    if (key === undefined) throw new Error('two keys have the same random id')
    return key
  }

  /**
   * Makes this secret valid and the one that the environment gave before invalid; null: only the latter. A secret that is a
   * made key's already stays that key's.
   */
  async setEnvironmentKey(secret: string | null): Promise<void> {
    this.#forget()
    const former = this.#queries.deleteFrom('api_keys').where('id', '=', ENVIRONMENT_ID)
    if (secret === null) {
      await former.execute()
      return
    }
    const secretHash = hashOf(secret)
    await former.where('hash', '<>', secretHash).execute()
    await this.#queries
      .insertInto('api_keys')
      // Of a secret that a person chose, even the beginning is theirs to keep.
      .values({ id: ENVIRONMENT_ID, name: 'SOTTO_API_KEY', prefix: '', hash: secretHash })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  }

  /** Makes the first key when there is none at all, as at the first start; undefined when another server was faster. */
  async createFirst(): Promise<NewApiKey | undefined> {
    const any = await this.#queries.selectFrom('api_keys').select('id').limit(1).executeTakeFirst()
    return any === undefined ? await this.#insert(FIRST_ID, 'first') : undefined
  }

  /** The oldest first. */
  async list(): Promise<readonly ApiKey[]> {
    const rows = await this.#queries.selectFrom('api_keys').selectAll().orderBy('created_at').orderBy('id').execute()
    return rows.map(apiKeyOf)
  }

  /** False when there is no such key. */
  async revoke(id: string): Promise<boolean> {
    const result = await this.#queries.deleteFrom('api_keys').where('id', '=', id).executeTakeFirst()
    this.#forget()
    return result.numDeletedRows > 0n
  }

  /**
   * The key's id; undefined when the secret is no key's. A secret that was not seen before is looked up by its hash. The
   * time of a look-up in an index could at most tell of the beginning of a stored hash, from which a secret of 256 random
   * bits cannot be found; one that a person chose has to be long for other reasons already.
   */
  verify(secret: string): Soon<string | undefined> {
    const version = this.#refreshed()
    return this.#known.get(secret) ?? this.#lookUp(secret, hashOf(secret), version)
  }

  /** Whether the secret is one that was found valid since keys were last changed. */
  isKnown(secret: string): boolean {
    this.#refreshed()
    return this.#known.has(secret)
  }

  /** Forgets what may have changed; says the version that is known now. */
  #refreshed(): number {
    const version = this.#database.version()
    if (version !== this.#version) {
      this.#known.clear()
      this.#version = version
    }
    return version
  }

  async #lookUp(secret: string, secretHash: string, version: number): Promise<string | undefined> {
    const row = await this.#queries
      .selectFrom('api_keys')
      .select('id')
      .where('hash', '=', secretHash)
      .executeTakeFirst()
    if (row !== undefined && this.#version === version) this.#known.set(secret, row.id)
    return row?.id
  }

  /** Also of what is being looked up at this moment. */
  #forget(): void {
    this.#known.clear()
    this.#version = Number.NaN
  }

  get #queries(): Database['queries'] {
    return this.#database.queries
  }

  /** Undefined when the id is taken. */
  async #insert(id: string, name: string): Promise<NewApiKey | undefined> {
    const secret = `sotto_${randomBytes(32).toString('base64url')}`
    const row = await this.#queries
      .insertInto('api_keys')
      .values({ id, name, prefix: secret.slice(0, PREFIX_LENGTH), hash: hashOf(secret) })
      .onConflict((conflict) => conflict.column('id').doNothing())
      .returningAll()
      .executeTakeFirst()
    return row && { ...apiKeyOf(row), secret }
  }
}

function apiKeyOf(row: Selectable<ApiKeysTable>): ApiKey {
  return { id: row.id, name: row.name, prefix: row.prefix, createdAt: dateOf(row.created_at) }
}

function hashOf(secret: string): string {
  return hash('sha256', secret)
}
