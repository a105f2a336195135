import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import type { RawBuilder, SqlBool } from 'kysely'
import type { Database } from './dialect.ts'
import { fromNow } from './dialect.ts'
import { jobOf } from './job-row.ts'
import { queuePrefix } from './queue-order.ts'
import { heads } from './queues.ts'
import type { JobRow } from './schema.ts'
import type { ClaimOptions, ClaimedJob } from './store.ts'

/**
 * Takes the next pending job in one UPDATE: the queue whose next job has the lowest rank is found first, then a job of it is taken
 * that no other claimer is taking. It reads a few entries of the index `jobs_pending` for each queue, however many jobs wait.
 */
export async function claim(
  { queries, dialect }: Database,
  options: ClaimOptions,
  runningLimit: number | null,
): Promise<ClaimedJob | undefined> {
  const token = randomUUID()
  const isReady = sql<SqlBool>`(jobs.not_before is null or jobs.not_before <= ${dialect.now})
    and (jobs.start_by is null or jobs.start_by > ${dialect.now}) and ${mayRun(runningLimit)}
    ${options.passesOverUrgent === true ? sql`and jobs.urgent = 0` : sql``}`
  const { rows } = await sql<JobRow>`
    with recursive ${heads(isAsked(options), isReady)},
    next(queue) as (
      select queue from heads order by rank, sequence limit 1
    )
    update jobs set
      status = 'processing',
      served_tier = ${options.served},
      claimed_by = ${options.worker ?? null},
      started_at = ${dialect.now},
      attempt = attempt + 1,
      lease_token = ${token},
      lease_until = ${fromNow(dialect, options.leaseMs)}
    where sequence = (
      select jobs.sequence from jobs
      where jobs.status = 'pending' and jobs.queue = (select queue from next) and ${isReady}
      order by jobs.rank, jobs.sequence limit 1 ${dialect.skipLocked}
    )
    returning *
  `.execute(queries)
  const [row] = rows
  return row && { job: jobOf(row), lease: { jobId: row.id, token, attempt: row.attempt } }
}

/** By name where the models are known, else by the beginning of the name. */
function isAsked({ asked, models = null, isExpress = false }: ClaimOptions): RawBuilder<SqlBool> {
  const prefixes = asked.flatMap((tier) => (isExpress ? [true] : [true, false]).map((is) => queuePrefix(tier, is)))
  if (models !== null) {
    const names = prefixes.flatMap((prefix) => models.map((model) => prefix + model))
    return names.length === 0 ? sql<SqlBool>`false` : sql<SqlBool>`queue in (${sql.join(names)})`
  }
  if (prefixes.length === 0) return sql<SqlBool>`false`
  const begins = prefixes.map((prefix) => sql`substr(queue, 1, ${sql.lit(prefix.length)}) = ${prefix}`)
  return sql<SqlBool>`(${sql.join(begins, sql` or `)})`
}

/** Whether the job's key has fewer running jobs than it may have. */
function mayRun(limit: number | null): RawBuilder<SqlBool> {
  if (limit === null) return sql<SqlBool>`true`
  return sql<SqlBool>`jobs.key_id not in (
    select running.key_id from jobs as running where running.status = 'processing'
    group by running.key_id having count(*) >= ${limit}
  )`
}
