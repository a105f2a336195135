import { hash, randomBytes, randomUUID } from 'node:crypto'
import type { Selectable } from 'kysely'
import type { Database } from '../../jobs/sql/dialect.ts'
import { dateOf } from '../../jobs/sql/job-row.ts'
import type { ApiKeysTable } from '../../jobs/sql/schema.ts'
import { openSharedSecret } from '../../jobs/sql/shared-secret.ts'

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

/** The secret that gives the first key its id: the same for servers that start at once, so that one of them makes it. */
const FIRST_KEY = 'first-key'

/** Also an owner: jobs stay reachable when the variable's secret changes. */
export const ENVIRONMENT_ID = 'environment'

/**
 * The keys that requests are authorised by, in the database, so that what another process changes holds from the next
 * request on. Secrets have 256 random bits, so a plain hash is enough to keep them by.
 */
export class ApiKeys {
  readonly #database: Database
  /** Cache of `#version`: secret → id. Clients poll, and a hash takes as long as all else of a poll. */
  readonly #known = new Map<string, string>()
  /** Cache of `#version`: id → `generation`. */
  readonly #generations = new Map<string, string | undefined>()
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

  /** Makes this secret valid and the one that the environment gave before invalid. A secret that is a made key's stays that key's. */
  async setEnvironmentKey(secret: string): Promise<void> {
    const secretHash = hashOf(secret)
    await this.#queries
      .deleteFrom('api_keys')
      .where('id', '=', ENVIRONMENT_ID)
      .where('hash', '<>', secretHash)
      .execute()
    await this.#queries
      .insertInto('api_keys')
      // Of a secret that a person chose, even the beginning is theirs to keep.
      .values({ id: ENVIRONMENT_ID, name: 'SOTTO_API_KEY', prefix: '', hash: secretHash })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    this.#forget()
  }

  /** Whether a start set one, this or an earlier one. */
  async hasEnvironmentKey(): Promise<boolean> {
    return (await this.generation(ENVIRONMENT_ID)) !== undefined
  }

  /** Makes the first key when there is none at all, as at the first start; undefined when another server was faster. */
  async createFirst(): Promise<NewApiKey | undefined> {
    const any = await this.#queries.selectFrom('api_keys').select('id').limit(1).executeTakeFirst()
    return any === undefined ? await this.#insert(await this.#firstId(), 'first') : undefined
  }

  /** The oldest first. */
  async list(): Promise<readonly ApiKey[]> {
    const rows = await this.#queries.selectFrom('api_keys').selectAll().orderBy('created_at').orderBy('id').execute()
    return rows.map(apiKeyOf)
  }

  /** False when there is no such key. */
  async revoke(id: string): Promise<boolean> {
    // The next first key is another one, and does not inherit this one's jobs. Before the key goes: it is not made while there is one.
    if (id === (await this.#firstId()))
      await this.#queries.deleteFrom('secrets').where('name', '=', FIRST_KEY).execute()
    const result = await this.#queries.deleteFrom('api_keys').where('id', '=', id).executeTakeFirst()
    this.#forget()
    return result.numDeletedRows > 0n
  }

  /**
   * The key's id; undefined when the secret is no key's. A secret that was not seen before is looked up by its hash. The
   * time of a look-up in an index could at most tell of the beginning of a stored hash, from which a secret of 256 random
   * bits cannot be found; one that a person chose has to be long for other reasons already.
   */
  async verify(secret: string): Promise<string | undefined> {
    const version = this.#look()
    return this.#known.get(secret) ?? (await this.#lookUp(secret, hashOf(secret), version))
  }

  /** Whether the secret is one that was found valid since keys were last changed. */
  isKnown(secret: string): boolean {
    this.#look()
    return this.#known.has(secret)
  }

  /**
   * Tells the keys apart that have had an id one after the other, as the environment's have: empty for those whose secret never
   * changes, else the secret's hash; undefined when there is no such key. Each id is remembered, so ask for such as a key had once.
   */
  async generation(id: string): Promise<string | undefined> {
    const version = this.#look()
    return this.#generations.has(id) ? this.#generations.get(id) : await this.#lookUpGeneration(id, version)
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

  async #lookUpGeneration(id: string, version: number): Promise<string | undefined> {
    const row = await this.#queries.selectFrom('api_keys').select('hash').where('id', '=', id).executeTakeFirst()
    const generation = id === ENVIRONMENT_ID ? row?.hash : row && ''
    if (this.#version === version) this.#generations.set(id, generation)
    return generation
  }

  async #firstId(): Promise<string> {
    const secret = await openSharedSecret(this.#database, FIRST_KEY)
    return uuidOf(secret.subarray(0, 16))
  }

  /** The database's version; a change empties the caches. */
  #look(): number {
    const version = this.#database.version()
    if (version !== this.#version) this.#forget()
    this.#version = version
    return version
  }

  /** Also of what is being looked up at this moment. */
  #forget(): void {
    this.#known.clear()
    this.#generations.clear()
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

/** A UUID of version 4 (RFC 9562, section 5.4) whose other bits are these. */
function uuidOf(random: Uint8Array): string {
  const bits = Buffer.from(random)
  bits.writeUInt8((bits.readUInt8(6) & 0x0f) | 0x40, 6)
  bits.writeUInt8((bits.readUInt8(8) & 0x3f) | 0x80, 8)
  return bits.toString('hex').replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}
