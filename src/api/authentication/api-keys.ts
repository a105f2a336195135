import { randomUUID } from 'node:crypto'
import { SCOPES } from '../../contract/scope.ts'
import type { Scope } from '../../contract/scope.ts'
import type { Database } from '../../jobs/sql/dialect.ts'
import { ENVIRONMENT_ID, USUAL_SCOPES, apiKeyOf, isExpired } from './api-key.ts'
import type { ApiKey, KeyChanges, NewApiKey } from './api-key.ts'
import {
  changeKey,
  deleteKey,
  firstKeyId,
  hashOf,
  insertKey,
  keepingAnAdmin,
  listKeys,
  noteUses,
  putEnvironmentKey,
} from './key-table.ts'
import type { KeyPosition, KeyRow } from './key-table.ts'

interface Found {
  readonly key: ApiKey
  readonly generation: string
}

/**
 * The keys that requests are authorised by, in the database, so that what another process changes holds from the next
 * request on.
 */
export class ApiKeys {
  readonly #database: Database
  /** Cache of `#version`: secret → key. Clients poll, and a hash takes as long as all else of a poll. */
  readonly #known = new Map<string, ApiKey>()
  /** Cache of `#version`: by id. */
  readonly #found = new Map<string, Found | undefined>()
  #version = Number.NaN

  constructor(database: Database) {
    this.#database = database
  }

  /** Makes a key, which may transcribe and read unless its rules say otherwise. Its secret can't be had again. */
  async create(name: string, rules: Omit<KeyChanges, 'name'> = {}): Promise<NewApiKey> {
    const key = await insertKey(this.#database, randomUUID(), { ...rules, name })
    if (key === undefined) throw new Error('two keys have the same random id')
    return key
  }

  /** Makes this secret valid and the one that the environment gave before invalid. A secret that is a made key's stays that key's. */
  async setEnvironmentKey(secret: string, scopes: readonly Scope[] = USUAL_SCOPES): Promise<void> {
    await putEnvironmentKey(this.#database, secret, scopes)
    this.#forget()
  }

  /** Whether a start set one, this or an earlier one. */
  async hasEnvironmentKey(): Promise<boolean> {
    return (await this.find(ENVIRONMENT_ID)) !== undefined
  }

  /** Makes the first key, an administrator's, when there is none at all, as at the first start; undefined when another server was faster. */
  async createFirst(): Promise<NewApiKey | undefined> {
    const [any] = await listKeys(this.#database, null, 1)
    if (any !== undefined) return undefined
    return await insertKey(this.#database, await firstKeyId(this.#database), { name: 'first', scopes: SCOPES })
  }

  /** The oldest first. */
  async list(): Promise<readonly ApiKey[]> {
    return (await listKeys(this.#database)).map(apiKeyOf)
  }

  /**
   * The next ones behind a position; null: from the oldest on.
   * @returns also the last one's position; null: there are no more
   */
  async page(
    after: KeyPosition | null,
    limit: number,
  ): Promise<{ readonly keys: readonly ApiKey[]; readonly last: KeyPosition | null }> {
    const rows = await listKeys(this.#database, after, limit)
    const last = rows.length < limit ? undefined : rows.at(-1)
    return { keys: rows.map(apiKeyOf), last: last === undefined ? null : { createdAt: last.created_at, id: last.id } }
  }

  /** A key by any id that somebody may name. */
  async get(id: string): Promise<ApiKey | undefined> {
    const row = await this.#rowWhere('id', id)
    return row && apiKeyOf(row)
  }

  /**
   * Undefined when there is no such key.
   * @throws KeyError `key.last_admin` where one is to be kept
   */
  async update(id: string, changes: KeyChanges, { keepAdmin = false } = {}): Promise<ApiKey | undefined> {
    const work = (database: Database): Promise<ApiKey | undefined> => changeKey(database, id, changes)
    const changed = keepAdmin ? await keepingAnAdmin(this.#database, work) : await work(this.#database)
    this.#forget()
    return changed
  }

  /**
   * False when there is no such key.
   * @throws KeyError `key.last_admin` where one is to be kept
   */
  async revoke(id: string, { keepAdmin = false } = {}): Promise<boolean> {
    const work = (database: Database): Promise<boolean> => deleteKey(database, id)
    const isRevoked = keepAdmin ? await keepingAnAdmin(this.#database, work) : await work(this.#database)
    this.#forget()
    return isRevoked
  }

  /** @param agesSeconds by id, how long ago keys were last used */
  async noteUses(agesSeconds: ReadonlyMap<string, number>): Promise<void> {
    if (agesSeconds.size > 0) await noteUses(this.#database, agesSeconds)
  }

  /**
   * The key, be it expired; undefined when the secret is no key's. A secret that was not seen before is looked up by its hash. The
   * time of a look-up in an index could at most tell of the beginning of a stored hash, from which a secret of 256 random
   * bits cannot be found; one that a person chose has to be long for other reasons already.
   */
  async verify(secret: string): Promise<ApiKey | undefined> {
    const version = this.#look()
    return this.#known.get(secret) ?? (await this.#lookUp(secret, hashOf(secret), version))
  }

  /** Whether the secret is one that was found valid since keys were last changed. */
  isKnown(secret: string): boolean {
    this.#look()
    return this.#known.has(secret)
  }

  /** A key by its id, be it expired. Each id is remembered, so ask for such as a key had once. */
  async find(id: string): Promise<ApiKey | undefined> {
    return (await this.#findById(id))?.key
  }

  /**
   * Tells the keys apart that have had an id one after the other, as the environment's have: empty for those whose secret never
   * changes, else the secret's hash; undefined when there is no such key, or it has expired. Each id is remembered, as by `find`.
   */
  async generation(id: string): Promise<string | undefined> {
    const found = await this.#findById(id)
    return found === undefined || isExpired(found.key) ? undefined : found.generation
  }

  async #lookUp(secret: string, secretHash: string, version: number): Promise<ApiKey | undefined> {
    const row = await this.#rowWhere('hash', secretHash)
    if (row === undefined) return undefined
    const key = apiKeyOf(row)
    if (this.#version === version) this.#known.set(secret, key)
    return key
  }

  async #findById(id: string): Promise<Found | undefined> {
    const version = this.#look()
    if (this.#found.has(id)) return this.#found.get(id)
    const row = await this.#rowWhere('id', id)
    const found = row && { key: apiKeyOf(row), generation: id === ENVIRONMENT_ID ? row.hash : '' }
    if (this.#version === version) this.#found.set(id, found)
    return found
  }

  async #rowWhere(column: 'id' | 'hash', value: string): Promise<KeyRow | undefined> {
    const query = this.#database.queries.selectFrom('api_keys').selectAll()
    return await query.where(column, '=', value).executeTakeFirst()
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
    this.#found.clear()
    this.#version = Number.NaN
  }
}
