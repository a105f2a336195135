import { sql } from 'kysely'
import type { SqlBool } from 'kysely'
import type { Database } from '../sql/dialect.ts'
import type { Job } from '../job.ts'
import { jobOf } from '../sql/job-row.ts'
import type { ListOptions } from '../job-store.ts'

/**
 * A page goes on behind the job that ended the one before, also when that is gone by now: ids are UUIDs of version 7, which begin with their
 * time, so that those of older jobs are smaller.
 */
export async function list(
  queries: Database['queries'],
  keyId: string | null,
  { status, limit, before }: ListOptions,
): Promise<readonly Job[]> {
  // Written out, since only a constant lets the planner use the partial index `jobs_listed`.
  const isListed = keyId === null ? sql<SqlBool>`urgent = 0` : sql<SqlBool>`key_id = ${keyId} and urgent = 0`
  let query = queries.selectFrom('jobs').selectAll().where(isListed)
  if (status !== undefined) query = query.where('status', '=', status)
  if (before !== undefined) {
    const own = queries.selectFrom('jobs').select('sequence').where('id', '=', before).where(isListed)
    // The newest of the older ones; several servers' clocks may bring a job a second time, but none is left out.
    const next = queries
      .selectFrom('jobs')
      .select(sql<number>`sequence + 1`.as('sequence'))
      .where('id', '<', before)
      .where(isListed)
      .orderBy('sequence', 'desc')
      .limit(1)
    query = query.where('sequence', '<', sql<number>`coalesce(${own}, ${next})`)
  }
  const rows = await query.orderBy('sequence', 'desc').limit(limit).execute()
  return rows.map(jobOf)
}
