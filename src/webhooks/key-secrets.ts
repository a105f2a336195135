import { sql } from 'kysely'
import type { SqlBool } from 'kysely'
import { fromNow } from '../jobs/sql/dialect.ts'
import type { Database } from '../jobs/sql/dialect.ts'
import { dateOf } from '../jobs/sql/job-row.ts'
import { newSecret } from './secret.ts'

/** While one follows another; a header has a signature for each. */
const MAX_SECRETS = 3

export interface KeySecret {
  readonly secret: string
  /** Until when the one before it signs as well; null: there is none. */
  readonly previousUntil: Date | null
}

interface ValidSecret {
  readonly value: string
  readonly until: Date | null
}

/** What each API key's webhooks are signed with that have no secret of their own: made when it is first asked for. */
export class KeySecrets {
  readonly #database: Database
  /** Cache of the database's version: each delivery asks. */
  readonly #known = new Map<string, readonly ValidSecret[]>()
  #version = Number.NaN

  constructor(database: Database) {
    this.#database = database
  }

  async current(keyId: string): Promise<KeySecret> {
    const [first, previous] = await this.#valid(keyId)
    if (first !== undefined) return { secret: first.value, previousUntil: previous?.until ?? null }
    await this.#insert(this.#database.queries, keyId)
    return await this.current(keyId)
  }

  /** All that sign now, the newest first; up to a second ago where several servers share a database. */
  async signing(keyId: string): Promise<readonly string[]> {
    const version = this.#database.version()
    if (version !== this.#version) this.#known.clear()
    this.#version = version
    let valid = this.#known.get(keyId)
    if (valid === undefined) {
      await this.current(keyId)
      valid = await this.#valid(keyId)
      if (this.#version === version) this.#known.set(keyId, valid)
    }
    return valid.filter(({ until }) => until === null || until.getTime() > Date.now()).map(({ value }) => value)
  }

  /**
   * Makes another one.
   * @param overlapMs how long the one before it signs beside it
   */
  async rotate(keyId: string, overlapMs: number): Promise<KeySecret> {
    const { queries, dialect } = this.#database
    await queries.transaction().execute(async (transaction) => {
      await transaction
        .updateTable('webhook_secrets')
        .set({ valid_until: fromNow(dialect, overlapMs) })
        .where('key_id', '=', keyId)
        .where('valid_until', 'is', null)
        .execute()
      await transaction
        .deleteFrom('webhook_secrets')
        .where('key_id', '=', keyId)
        .where('valid_until', '<=', dialect.now)
        .execute()
      await this.#insert(transaction, keyId)
    })
    this.#known.clear()
    this.#version = Number.NaN
    return await this.current(keyId)
  }

  async #insert(queries: Database['queries'], keyId: string): Promise<void> {
    await queries
      .insertInto('webhook_secrets')
      .values({ value: newSecret(), key_id: keyId, created_at: this.#database.dialect.now })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  }

  async #valid(keyId: string): Promise<readonly ValidSecret[]> {
    const { queries, dialect } = this.#database
    const rows = await queries
      .selectFrom('webhook_secrets')
      .select(['value', 'valid_until'])
      .where('key_id', '=', keyId)
      .where(sql<SqlBool>`(valid_until is null or valid_until > ${dialect.now})`)
      .orderBy(sql`case when valid_until is null then 0 else 1 end`)
      .orderBy('created_at', 'desc')
      .limit(MAX_SECRETS)
      .execute()
    return rows.map(({ value, valid_until: until }) => ({ value, until: until === null ? null : dateOf(until) }))
  }
}
