import { sql } from 'kysely'
import type { RawBuilder, SqlBool } from 'kysely'
import type { Database } from './dialect.ts'
import { resultKeyOf } from './result-key.ts'

interface Removed {
  readonly id: string
  readonly payload_key: string
  readonly result_key: string | null
  readonly attempt: number
}

/**
 * Removes the finished jobs that `which` selects, and lists their payloads as garbage in the same commit: whatever removes the payloads
 * can die at any time, and goes on from the list. Says how many there were.
 */
export async function removeJobs({ queries }: Database, which: RawBuilder<SqlBool>): Promise<number> {
  return await queries.transaction().execute(async (transaction) => {
    const { rows } = await sql<Removed>`
      delete from jobs where status in ('success', 'failed', 'cancelled') and ${which} returning id, payload_key, result_key, attempt
    `.execute(transaction)
    const keys = new Set(rows.flatMap(payloadsOf))
    if (keys.size > 0) {
      await transaction
        .insertInto('garbage')
        .values([...keys].map((key) => ({ payload_key: key })))
        .onConflict((conflict) => conflict.doNothing())
        .execute()
    }
    return rows.length
  })
}

/** Also those of attempts whose worker died between storing a result and settling the job. */
function payloadsOf({ id, payload_key: payloadKey, result_key: resultKey, attempt }: Removed): readonly string[] {
  const results = Array.from({ length: attempt }, (_, index) => resultKeyOf(id, index + 1))
  return [payloadKey, ...results, ...(resultKey === null ? [] : [resultKey])]
}

/**
 * Removes jobs that are due, the oldest first: those whose own time has come, and those that finished `retentionMs` ago and have no
 * time of their own.
 */
export async function removeDue(database: Database, retentionMs: number | null, limit: number): Promise<number> {
  const { dialect } = database
  const own = sql<SqlBool>`sequence in (
    select jobs.sequence from jobs
    where jobs.expires_at is not null and jobs.expires_at <= ${dialect.now}
      and jobs.status in ('success', 'failed', 'cancelled')
    order by jobs.expires_at limit ${limit} ${dialect.skipLocked}
  )`
  const removed = await removeJobs(database, own)
  if (retentionMs === null || removed >= limit) return removed
  const kept = sql<SqlBool>`sequence in (
    select jobs.sequence from jobs
    where jobs.completed_at is not null and jobs.completed_at <= ${dialect.now} - ${retentionMs / 1000}
      and jobs.expires_at is null
    order by jobs.completed_at limit ${limit - removed} ${dialect.skipLocked}
  )`
  return removed + (await removeJobs(database, kept))
}
