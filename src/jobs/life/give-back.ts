import { sql } from 'kysely'
import type { RawBuilder, SqlBool } from 'kysely'
import type { Database, Dialect } from '../sql/dialect.ts'
import { fromNow } from '../sql/dialect.ts'
import type { JobError, JobStatus } from '../job.ts'

/**
 * Why a run ended early: through no fault of the job (`stop`), since it has to wait for something (`wait`), by a retryable error, or since
 * its process died.
 */
export type EndOfRun =
  | { readonly cause: 'stop'; readonly pauseMs?: number }
  | { readonly cause: 'wait'; readonly limitMs: number; readonly error: JobError; readonly pauseMs: number }
  | {
      readonly cause: 'error' | 'crash'
      readonly limit: number
      readonly error: JobError
      /** What is said of it while it waits for its next try; else the error. */
      readonly waiting?: JobError
      /** How long it is to wait before it is claimed again. */
      readonly pauseMs?: number
    }

export interface GivenBack {
  readonly id: string
  readonly status: Extract<JobStatus, 'pending' | 'failed' | 'cancelled'>
}

/**
 * Takes the lease from the running jobs that `which` selects, in one UPDATE. Each of them is then `cancelled` if that was
 * asked for, else `failed` with the error if this was its last allowed failure or crash or it has waited for too long, else `pending`
 * again.
 */
export async function giveBack(
  { queries, dialect }: Database,
  which: RawBuilder<SqlBool>,
  end: EndOfRun,
): Promise<readonly GivenBack[]> {
  const failed = end.cause === 'error' ? 1 : 0
  const crashed = end.cause === 'crash' ? 1 : 0
  const error = end.cause === 'stop' ? null : end.error
  const waiting = 'waiting' in end ? end.waiting : error
  const isWait = end.cause === 'wait'
  const exhausted = exhaustedBy(end, dialect)
  const pauseMs = end.pauseMs ?? 0
  const readyAt = fromNow(dialect, pauseMs)
  const status = sql`case
    when cancel_requested_at is not null then 'cancelled'
    when ${exhausted} then 'failed'
    else 'pending'
  end`
  const { rows } = await sql<GivenBack>`
    update jobs set
      status = ${status},
      failures = failures + ${failed},
      crashes = crashes + ${crashed},
      deferrals = deferrals + ${isWait ? 1 : 0},
      deferred_since = ${isWait ? sql`coalesce(deferred_since, ${dialect.now})` : sql`deferred_since`},
      waiting_code = ${waiting?.code ?? null},
      waiting_message = ${waiting?.message ?? null},
      error_code = case when ${status} = 'failed' then ${error?.code ?? null} end,
      error_message = case when ${status} = 'failed' then ${error?.message ?? null} end,
      started_at = case when ${status} <> 'pending' then started_at end,
      completed_at = case when ${status} <> 'pending' then ${dialect.now} end,
      not_before = case when ${status} = 'pending' and ${pauseMs > 0 ? sql`true` : sql`false`} then ${readyAt} end,
      ready_at = case when ${status} = 'pending' then ${readyAt} end,
      lease_token = null,
      lease_until = null
    where status = 'processing' and ${which}
    returning id, status
  `.execute(queries)
  return rows
}

/** Right-hand sides of an UPDATE see the old row, so this end is added to the counter. */
function exhaustedBy(end: EndOfRun, { now }: Dialect): RawBuilder<SqlBool> {
  if (end.cause === 'stop') return sql<SqlBool>`false`
  if (end.cause === 'wait') return sql<SqlBool>`coalesce(deferred_since, ${now}) <= ${now} - ${end.limitMs / 1000}`
  const before = end.cause === 'error' ? sql<number>`failures` : sql<number>`crashes`
  return sql<SqlBool>`${before} + 1 >= ${end.limit}`
}
