import { sql } from 'kysely'
import type { RawBuilder, SqlBool } from 'kysely'

const IS_READY = sql<SqlBool>`true`

/**
 * Two common table expressions, for `with recursive`: `queues`, the names of the queues that have pending jobs, and `heads`, each
 * one's next job. Each name is found behind the last one in the index `jobs_pending`, so the cost grows with the queues and
 * not with the jobs in them. Kysely has no such scan, nor have the databases by themselves.
 * @param isAsked which queues count
 * @param isReady which of their jobs count
 */
export function heads(
  isAsked: RawBuilder<SqlBool> = IS_READY,
  isReady: RawBuilder<SqlBool> = IS_READY,
): RawBuilder<unknown> {
  return sql`
    queues(queue) as (
      select min(queue) from jobs where status = 'pending'
      union all
      select (select min(jobs.queue) from jobs where jobs.status = 'pending' and jobs.queue > queues.queue)
      from queues where queues.queue is not null
    ),
    heads(queue, sequence) as (
      select queue, (
        select jobs.sequence from jobs
        where jobs.status = 'pending' and jobs.queue = queues.queue and ${isReady}
        order by jobs.rank, jobs.sequence limit 1
      )
      from queues where queue is not null and ${isAsked}
    )
  `
}
