import { setImmediate as nextTurn } from 'node:timers/promises'
import { sql } from 'kysely'
import type { RawBuilder, SqlBool } from 'kysely'
import type { Database, Dialect } from '../sql/dialect.ts'
import { endLate } from '../life/expiry.ts'
import type { Expired } from '../life/expiry.ts'

/** Batch size: no statement may block SQLite's thread for long. */
const AT_ONCE = 200

/** Whether there are jobs that `refresh` would move. Both are a look at the end of an index. */
export function isStale({ now }: Dialect): RawBuilder<SqlBool> {
  return sql<SqlBool>`(
    exists (select 1 from jobs where ${isDue(now)})
    or exists (select 1 from jobs where status = 'pending' and start_by is not null and start_by <= ${now})
  )`
}

/**
 * Moves jobs where time has brought them: those whose pause is over to the ready ones, and those that had to start by now out of them. Each job
 * is moved once, so that a claim, which reads none but ready jobs, costs the same however many wait for something.
 * @param onEnded told of jobs that have failed now
 * @returns whether there was any
 */
export async function refresh(database: Database, onEnded: (jobs: readonly Expired[]) => void): Promise<boolean> {
  for (let isAny = false; ;) {
    const due = await moveDue(database)
    const late = await endLate(database, AT_ONCE)
    if (late.length > 0) onEnded(late)
    isAny ||= due + late.length > 0
    if (due < AT_ONCE && late.length < AT_ONCE) return isAny
    await nextTurn()
  }
}

/** Waits for others that do the same, since their jobs are seen only when they have done it; in one order, so that none waits in a circle. */
async function moveDue({ queries, dialect }: Database): Promise<number> {
  const { rows } = await sql`
    with due as materialized (
      select jobs.sequence from jobs where ${isDue(dialect.now)} order by jobs.not_before, jobs.sequence limit ${AT_ONCE} ${dialect.lockRows}
    )
    update jobs set not_before = null, ready_at = not_before where sequence in (select sequence from due) returning sequence
  `.execute(queries)
  return rows.length
}

function isDue(now: RawBuilder<number>): RawBuilder<SqlBool> {
  return sql<SqlBool>`jobs.status = 'pending' and jobs.not_before is not null and jobs.not_before <= ${now}`
}
