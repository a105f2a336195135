import { setImmediate as nextTurn } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Database } from '../sql/dialect.ts'
import type { JobError, JobStatus } from '../job.ts'

export interface Expired {
  readonly id: string
  readonly status: JobStatus
}

const NOT_STARTED: JobError = {
  code: 'job.not_started',
  message:
    'The job did not start by the time that startBy says. Submit it again with a later one, or with a higher priority.',
}

/** Fails jobs that had to start by now, the first that had to, and not more than `limit`; those that somebody else is ending are left to him. */
export async function endLate({ queries, dialect }: Database, limit: number): Promise<readonly Expired[]> {
  const { rows } = await sql<Expired>`
    with late as materialized (
      select jobs.sequence from jobs
      where jobs.status = 'pending' and jobs.start_by is not null and jobs.start_by <= ${dialect.now}
      order by jobs.start_by limit ${limit} ${dialect.skipLocked}
    )
    update jobs set status = 'failed', completed_at = ${dialect.now},
      error_code = ${NOT_STARTED.code}, error_message = ${NOT_STARTED.message}
    where sequence in (select sequence from late)
    returning id, status
  `.execute(queries)
  return rows
}

/** Batch size: no statement may block SQLite's thread for long. */
const MAX_LATE_JOBS = 1000

/**
 * Ends what has waited too long: a job that had to start by now has failed, and one that is not to be kept beyond now is cancelled, or
 * is to be stopped if it runs.
 */
export async function expireWaiting(database: Database): Promise<readonly Expired[]> {
  const { queries, dialect } = database
  const { now } = dialect
  const late: Expired[] = []
  for (;;) {
    const ended = await endLate(database, MAX_LATE_JOBS)
    late.push(...ended)
    if (ended.length < MAX_LATE_JOBS) break
    await nextTurn()
  }
  const { rows: due } = await sql<Expired>`
    update jobs set
      status = case when status = 'processing' then status else 'cancelled' end,
      completed_at = case when status = 'processing' then null else ${now} end,
      cancel_requested_at = ${now}
    where status in ('pending', 'processing') and expires_at is not null and expires_at <= ${now}
      and cancel_requested_at is null
    returning id, status
  `.execute(queries)
  return [...late, ...due]
}
