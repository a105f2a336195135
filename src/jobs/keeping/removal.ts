import { sql } from 'kysely'
import type { RawBuilder, SqlBool } from 'kysely'
import type { Database } from '../sql/dialect.ts'
import { JobStoreError } from '../errors.ts'
import { addGarbage } from './garbage.ts'
import { resultsOf } from '../result-key.ts'

interface Removed {
  readonly id: string
  readonly payload_key: string
  readonly result_key: string | null
}

/**
 * Removes the finished jobs that `which` selects, and lists their payloads as garbage in the same commit: whatever removes the payloads
 * can die at any time, and goes on from the list. Says how many there were.
 */
export async function removeJobs({ queries }: Database, which: RawBuilder<SqlBool>): Promise<number> {
  return await queries.transaction().execute(async (transaction) => {
    const { rows } = await sql<Removed>`
      delete from jobs where status in ('success', 'failed', 'cancelled') and ${which} returning id, payload_key, result_key
    `.execute(transaction)
    await addGarbage(transaction, [...new Set(rows.flatMap(payloadsOf))])
    return rows.length
  })
}

/** Also the results of attempts whose worker died between storing one and settling the job. */
function payloadsOf({ id, payload_key: payloadKey, result_key: resultKey }: Removed): readonly string[] {
  const results = resultsOf(id)
  const isElsewhere = resultKey !== null && !resultKey.startsWith(results)
  return [payloadKey, results, ...(isElsewhere ? [resultKey] : [])]
}

/** Told of a job that could not be removed; it is tried again when `PASSED_OVER_MS` have passed. */
export type OnKept = (jobId: string, error: unknown) => void

const PASSED_OVER_MS = 3_600_000
/** When more could not be removed, the jobs are not to blame. */
const MAX_PASSED_OVER = 1000

/**
 * Removes jobs that are due, the oldest first: those whose own time has come, those that were to stay so long after their end, and
 * those that finished `retentionMs` ago and have no time of their own. One that can't be removed is passed over, so that it does not keep the others.
 */
export class Retention {
  readonly #database: Database
  readonly #retentionMs: number | null
  readonly #onKept: OnKept
  /** By id, until when. */
  readonly #passedOver = new Map<string, number>()

  constructor(database: Database, retentionMs: number | null, onKept: OnKept) {
    this.#database = database
    this.#retentionMs = retentionMs
    this.#onKept = onKept
  }

  /** Says how many were removed; `limit` of them: there may be more. */
  async removeDue(limit: number): Promise<number> {
    let removed = 0
    for (const due of this.#due()) if (removed < limit) removed += await this.#remove(limit - removed, due)
    return removed
  }

  #due(): readonly RawBuilder<unknown>[] {
    const { now } = this.#database.dialect
    const atItsTime = sql`
      select jobs.id from jobs
      where jobs.expires_at is not null and jobs.expires_at <= ${now}
        and jobs.status in ('success', 'failed', 'cancelled') and ${this.#isTried()}
      order by jobs.expires_at
    `
    const afterItsEnd = sql`
      select jobs.id from jobs
      where jobs.completed_at is not null and jobs.remove_after_seconds is not null
        and jobs.completed_at + jobs.remove_after_seconds <= ${now} and ${this.#isTried()}
      order by jobs.completed_at + jobs.remove_after_seconds
    `
    if (this.#retentionMs === null) return [atItsTime, afterItsEnd]
    const atRetention = sql`
      select jobs.id from jobs
      where jobs.completed_at is not null and jobs.completed_at <= ${now} - ${this.#retentionMs / 1000}
        and jobs.expires_at is null and jobs.remove_after_seconds is null and ${this.#isTried()}
      order by jobs.completed_at
    `
    return [atItsTime, afterItsEnd, atRetention]
  }

  async #remove(limit: number, due: RawBuilder<unknown>): Promise<number> {
    const { queries, dialect } = this.#database
    try {
      // Materialized, or a plan that reads it again, behind rows that it has locked itself, removes more than the limit.
      const some = sql`with due as materialized (${due} limit ${limit} ${dialect.skipLocked}) select id from due`
      return await removeJobs(this.#database, sql<SqlBool>`id in (${some})`)
    } catch (error) {
      if (isAway(error)) throw error
    }
    const { rows } = await sql<{ id: string }>`${due} limit ${limit}`.execute(queries)
    let removed = 0
    for (const { id } of rows) removed += await this.#removeOne(id)
    return removed
  }

  async #removeOne(id: string): Promise<number> {
    try {
      return await removeJobs(this.#database, sql<SqlBool>`id = ${id}`)
    } catch (error) {
      if (isAway(error) || this.#passedOver.size >= MAX_PASSED_OVER) throw error
      this.#passedOver.set(id, performance.now() + PASSED_OVER_MS)
      this.#onKept(id, error)
      return 0
    }
  }

  #isTried(): RawBuilder<SqlBool> {
    for (const [id, untilMs] of this.#passedOver) if (untilMs <= performance.now()) this.#passedOver.delete(id)
    if (this.#passedOver.size === 0) return sql<SqlBool>`true`
    return sql<SqlBool>`jobs.id not in (${sql.join([...this.#passedOver.keys()])})`
  }
}

function isAway(error: unknown): boolean {
  return error instanceof JobStoreError && error.code === 'store.unavailable'
}
