import { sql } from 'kysely'
import type { RawBuilder, SqlBool } from 'kysely'
import type { Database } from '../sql/dialect.ts'

/** Removing one payload takes no longer, or whoever began it is dead. */
const CLAIM_SECONDS = 600
/**
 * How long a tombstone of a removed recording stays: a submit that saw it before comes no later. A new upload to the same URL
 * clears it (`forgetRemoval`).
 */
const TOMBSTONE_SECONDS = 600
const FIRST_PAUSE_SECONDS = 15
const MAX_PAUSE_SECONDS = 6 * 3600
/** Caps the exponent of the backoff. */
const MAX_DOUBLINGS = 11
/** As many as fit well into one statement. */
const KEYS_PER_STATEMENT = 500

/**
 * Payloads that are to be removed. The decision that no job uses one is made here, together with a tombstone (`removed_at`): from then on
 * the trigger `jobs_keep_their_recording` refuses submits with it, and a submit that came first takes the row away. So no recording is removed
 * beneath a job that was accepted, by whichever server.
 */
export class Garbage {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async add(keys: readonly string[]): Promise<void> {
    for (let from = 0; from < keys.length; from += KEYS_PER_STATEMENT) {
      await addGarbage(this.#database.queries, keys.slice(from, from + KEYS_PER_STATEMENT))
    }
  }

  /**
   * Takes some that are due, to be removed and then told to `removed` or `failed`. Those that a job uses are forgotten: they become garbage
   * again with that job.
   */
  async take(limit: number): Promise<{ readonly keys: readonly string[]; readonly isLast: boolean }> {
    const { queries, dialect } = this.#database
    const { now } = dialect
    return await queries.transaction().execute(async (transaction) => {
      const { rows: due } = await sql<{ payload_key: string; is_free: unknown }>`
        select payload_key, ${dialect.locksPayload('payload_key')} as is_free from (
          select payload_key from garbage
          where removed_at is null and ${isPast('due_at', now, MAX_PAUSE_SECONDS)}
            and (claimed_until is null or ${isPast('claimed_until', now, CLAIM_SECONDS)})
          order by due_at limit ${limit} ${dialect.skipLockedGarbage}
        ) as due
      `.execute(transaction)
      const isLast = due.length < limit
      const free = due.filter((row) => Boolean(row.is_free)).map((row) => row.payload_key)
      if (free.length === 0) return { keys: [], isLast: true }
      // Statements of their own: each sees what was committed before it, so also the submits that were waited for.
      const isUsed = sql<boolean>`exists (select 1 from jobs where jobs.payload_key = garbage.payload_key)`
      await transaction.deleteFrom('garbage').where('payload_key', 'in', free).where(isUsed).execute()
      const taken = await transaction
        .updateTable('garbage')
        .set({ claimed_until: sql<number>`${now} + ${CLAIM_SECONDS}` })
        .where('payload_key', 'in', free)
        .returning('payload_key')
        .execute()
      return { keys: taken.map((row) => row.payload_key), isLast }
    })
  }

  /** Results are never submitted, so nothing needs to be remembered of them. */
  async removed(keys: readonly string[]): Promise<void> {
    const { queries, dialect } = this.#database
    const recordings = keys.filter((key) => key.startsWith('uploads/'))
    const others = keys.filter((key) => !key.startsWith('uploads/'))
    if (others.length > 0) await queries.deleteFrom('garbage').where('payload_key', 'in', others).execute()
    if (recordings.length > 0) {
      await queries
        .updateTable('garbage')
        .set({ removed_at: dialect.now })
        .where('payload_key', 'in', recordings)
        .execute()
      await queries.deleteFrom('uploads').where('payload_key', 'in', recordings).execute()
    }
  }

  /** Tried again with backoff. Tombstones stay, since a removal that failed may have happened, or happen yet. */
  async failed(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return
    const { queries, dialect } = this.#database
    const doubled = sql`power(2, case when failures < ${MAX_DOUBLINGS} then failures else ${MAX_DOUBLINGS} end)`
    const pause = sql<number>`case when ${FIRST_PAUSE_SECONDS} * ${doubled} < ${MAX_PAUSE_SECONDS}
      then ${FIRST_PAUSE_SECONDS} * ${doubled} else ${MAX_PAUSE_SECONDS} end`
    await queries
      .updateTable('garbage')
      .set({
        failures: sql<number>`failures + 1`,
        due_at: sql<number>`${dialect.now} + ${pause}`,
        claimed_until: dialect.now,
      })
      .where('payload_key', 'in', keys)
      .execute()
  }

  /** Gives back what was taken and not begun. */
  async untake(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return
    const { queries, dialect } = this.#database
    const before = sql<number | null>`case when failures > 0 then ${dialect.now} end`
    await queries.updateTable('garbage').set({ claimed_until: before }).where('payload_key', 'in', keys).execute()
  }

  /** Forgets what was removed so long ago that no submit can have seen it. */
  async forgetOld(): Promise<void> {
    const { queries, dialect } = this.#database
    await queries
      .deleteFrom('garbage')
      .where('removed_at', '<', sql<number>`${dialect.now} - ${TOMBSTONE_SECONDS}`)
      .execute()
  }
}

/** Whether a time has come that was set so far ahead at most; one that is further away is of a clock that was set back since. */
function isPast(column: string, now: RawBuilder<number>, aheadSeconds: number): RawBuilder<SqlBool> {
  const time = sql.ref(column)
  return sql<SqlBool>`(${time} <= ${now} or ${time} > ${now} + ${aheadSeconds})`
}

/**
 * At the start of the only process on a database: what the one before it was removing when it ended is removed by this one, and what
 * failed is tried again. Tombstones stay, since removals may have happened.
 */
export async function recoverGarbage({ queries, dialect }: Database): Promise<void> {
  await queries
    .updateTable('garbage')
    .set({ claimed_until: dialect.now, due_at: dialect.now })
    .where('claimed_until', 'is not', null)
    .where('removed_at', 'is', null)
    .execute()
}

export async function addGarbage(queries: Database['queries'], keys: readonly string[]): Promise<void> {
  if (keys.length === 0) return
  await queries
    .insertInto('garbage')
    .values(keys.map((key) => ({ payload_key: key })))
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

/**
 * Forgets that a recording was removed, when it is there again: somebody uploaded to the same URL anew. Says whether it is, so that it can be
 * submitted.
 */
export async function forgetRemoval(
  { queries }: Database,
  payloadKey: string,
  isThere: () => Promise<boolean>,
): Promise<boolean> {
  const row = await queries
    .selectFrom('garbage')
    .select('removed_at')
    .where('payload_key', '=', payloadKey)
    .executeTakeFirst()
  if (row === undefined) return true
  // Only when its removal is over does it count that something is there.
  if (row.removed_at === null || !(await isThere())) return false
  const { numDeletedRows } = await queries
    .deleteFrom('garbage')
    .where('payload_key', '=', payloadKey)
    .where('removed_at', '=', row.removed_at)
    .executeTakeFirst()
  return numDeletedRows > 0n
}
