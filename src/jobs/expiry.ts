import { sql } from 'kysely'
import type { Database } from './dialect.ts'
import type { JobError, JobStatus } from './job.ts'

export interface Expired {
  readonly id: string
  readonly status: JobStatus
}

const NOT_STARTED: JobError = {
  code: 'job.not_started',
  message:
    'The job did not start by the time that startBy says. Submit it again with a later one, or with a higher priority.',
}

/**
 * Ends what has waited too long: a job that had to start by now has failed, and one that is not to be kept beyond now is cancelled, or
 * is to be stopped if it runs.
 */
export async function expireWaiting({ queries, dialect }: Database): Promise<readonly Expired[]> {
  const { now } = dialect
  const { rows: late } = await sql<Expired>`
    update jobs set status = 'failed', completed_at = ${now},
      error_code = ${NOT_STARTED.code}, error_message = ${NOT_STARTED.message}
    where status = 'pending' and start_by is not null and start_by <= ${now}
    returning id, status
  `.execute(queries)
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
