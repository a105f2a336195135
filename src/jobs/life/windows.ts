import { sql } from 'kysely'
import type { RawBuilder, SqlBool } from 'kysely'
import type { Passage } from '../../contract/transcript.ts'
import { keepPassage } from './passages.ts'
import type { Database } from '../sql/dialect.ts'

export interface Window {
  readonly jobId: string
  readonly ordinal: number
  readonly data: string
  readonly doneSeconds: number
  /** What it adds to the transcript; null: not known. */
  readonly passage: Passage | null
}

/**
 * Keeps a window, in one transaction whose first statement is the fence: it writes nothing unless `held` selects the job, and says whether it
 * did. What was kept behind it is of an earlier run that this one did not go on from.
 */
export async function keepWindow(
  { queries }: Database,
  held: RawBuilder<SqlBool>,
  { jobId, ordinal, data, doneSeconds, passage }: Window,
): Promise<boolean> {
  return await queries.transaction().execute(async (transaction) => {
    const { numUpdatedRows } = await transaction
      .updateTable('jobs')
      // What goes on is not what crashed before, nor what found no room.
      .set({
        done_seconds: doneSeconds,
        crashes: 0,
        deferrals: sql<number>`case when done_seconds < ${doneSeconds} then 0 else deferrals end`,
        deferred_since: sql<number | null>`case when done_seconds < ${doneSeconds} then null else deferred_since end`,
      })
      .where(held)
      .executeTakeFirst()
    if (numUpdatedRows === 0n) return false
    await transaction.deleteFrom('job_windows').where('job_id', '=', jobId).where('ordinal', '>=', ordinal).execute()
    // Before the window, whose trigger tells of it.
    await keepPassage(transaction, jobId, ordinal, passage)
    await transaction.insertInto('job_windows').values({ job_id: jobId, ordinal, data }).execute()
    return true
  })
}

/** How many windows are kept of an unfinished job. */
export async function countWindows({ queries }: Database, jobId: string): Promise<number> {
  const row = await queries
    .selectFrom('job_windows')
    .select(sql<number | null>`max(ordinal)`.as('last'))
    .where('job_id', '=', jobId)
    .executeTakeFirst()
  return (row?.last ?? -1) + 1
}

export async function windows({ queries }: Database, jobId: string): Promise<readonly string[]> {
  const rows = await queries
    .selectFrom('job_windows')
    .select('data')
    .where('job_id', '=', jobId)
    .orderBy('ordinal')
    .execute()
  return rows.map(({ data }) => data)
}
