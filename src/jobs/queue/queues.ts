import { sql } from 'kysely'
import type { RawBuilder, SqlBool } from 'kysely'

/** Which jobs may run now: what the index `jobs_ready` holds. What waits for its pause to end is in `jobs_paused` until a claim finds it due. */
export const IS_READY = sql<SqlBool>`jobs.status = 'pending' and jobs.not_before is null`

/**
 * Common table expressions, for `with recursive`: `names` leads to `queues`, the names of those queues that have ready jobs. Each one is
 * found behind the last one in the index, so the cost grows with the queues and not with the jobs in them (a loose index scan, which
 * neither Kysely nor the databases have by themselves).
 * @param isAsked which queues count
 */
export function readyQueues(isAsked: RawBuilder<SqlBool> = sql<SqlBool>`true`): RawBuilder<unknown> {
  return sql`
    names(queue) as (
      select min(queue) from jobs where ${IS_READY}
      union all
      select (select min(jobs.queue) from jobs where ${IS_READY} and jobs.queue > names.queue)
      from names where names.queue is not null
    ),
    queues(queue) as (select queue from names where queue is not null and ${isAsked})
  `
}

/**
 * The same, and `heads`, each queue's next job with its rank. Subselects look each row up by itself: for a join, PostgreSQL would read all
 * jobs while they are not very many.
 */
export function heads(): RawBuilder<unknown> {
  return sql`
    ${readyQueues()},
    first_jobs(queue, sequence) as materialized (
      select queue, (
        select jobs.sequence from jobs where ${IS_READY} and jobs.queue = queues.queue order by jobs.rank, jobs.sequence limit 1
      )
      from queues
    ),
    heads(queue, sequence, rank) as (
      select queue, sequence, (select jobs.rank from jobs where jobs.sequence = first_jobs.sequence)
      from first_jobs where sequence is not null
    )
  `
}
