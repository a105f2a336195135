import { sql } from 'kysely'
import type { SqlBool } from 'kysely'
import type { Database } from './dialect.ts'
import type { Job } from './job.ts'
import { jobOf } from './job-row.ts'
import type { ListOptions } from './store.ts'

/** A page is empty when the job that it is to follow is gone or another key's. */
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
    query = query.where('sequence', '<', (jobs) =>
      jobs.selectFrom('jobs').select('sequence').where('id', '=', before).where(isListed),
    )
  }
  const rows = await query.orderBy('sequence', 'desc').limit(limit).execute()
  return rows.map(jobOf)
}
