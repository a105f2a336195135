import { sql } from 'kysely'
import type { Database } from '../sql/dialect.ts'
import { nameColumns } from '../sql/job-row.ts'

/** What keys have uploaded through the API and not submitted yet. A submit takes its recording off by a trigger. */
export class UnsubmittedUploads {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** Bytes of a key's uploads but for one, which is about to be replaced or to grow. */
  async bytesOf(keyId: string, exceptKey: string): Promise<number> {
    const row = await this.#database.queries
      .selectFrom('uploads')
      .select(sql<number>`coalesce(sum(bytes), 0)`.as('bytes'))
      .where('key_id', '=', keyId)
      .where('payload_key', '!=', exceptKey)
      .executeTakeFirst()
    return row?.bytes ?? 0
  }

  /** @param upload how much of it there is, and what its sender calls it; null: nothing */
  async record(
    payloadKey: string,
    keyId: string,
    { bytes, name }: { readonly bytes: number; readonly name: string | null },
  ): Promise<void> {
    const { queries, dialect } = this.#database
    const row = { key_id: keyId, bytes, ...nameColumns(name), updated_at: dialect.now }
    await queries
      .insertInto('uploads')
      .values({ payload_key: payloadKey, ...row })
      .onConflict((conflict) => conflict.column('payload_key').doUpdateSet(row))
      .execute()
  }

  async forget(payloadKey: string): Promise<void> {
    await this.#database.queries.deleteFrom('uploads').where('payload_key', '=', payloadKey).execute()
  }

  /** Of those that were removed as unfinished or as nobody's. */
  async forgetBefore(date: Date): Promise<void> {
    await this.#database.queries
      .deleteFrom('uploads')
      .where('updated_at', '<', date.getTime() / 1000)
      .execute()
  }
}
