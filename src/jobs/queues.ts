import { sql } from 'kysely'
import type { RawBuilder, SqlBool } from 'kysely'

const IS_READY = sql<SqlBool>`true`

/**
 * Common table expressions, for `with recursive`: `queues`, the names of the queues that have pending jobs, and `heads`, each one's
 * next job with its rank. Each name is found behind the last one in the index `jobs_pending`, so the cost grows with the queues and
 * not with the jobs in them. Kysely has no such scan, nor have the databases by themselves. Subselects look each row up by itself:
 * for a join, PostgreSQL would read all jobs while they are not very many.
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
    first_jobs(queue, sequence) as materialized (
      select queue, (
        select jobs.sequence from jobs
        where jobs.status = 'pending' and jobs.queue = queues.queue and ${isReady}
        order by jobs.rank, jobs.sequence limit 1
      )
      from queues where queue is not null and ${isAsked}
    ),
    heads(queue, sequence, rank) as (
      select queue, sequence, (select jobs.rank from jobs where jobs.sequence = first_jobs.sequence)
      from first_jobs where sequence is not null
    )
  `
}
