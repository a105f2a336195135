import { sql } from 'kysely'
import type { Database } from '../sql/dialect.ts'

/**
 * The order in which events are read. A reader remembers the last `sequence` that it saw and asks for what is behind it, so no event may
 * appear with a lower number later on.
 *
 * SQLite has one writer at a time: the number that a row takes when it is inserted is in its place.
 *
 * PostgreSQL has many. A number from a sequence is taken at the insert and seen at the commit, and of two transactions the one with the
 * higher number may commit first: who read it and asks for what is behind misses the other one. So events are inserted without a number,
 * and get it when they are read: whoever reads numbers first what was committed meanwhile. One transaction does that at a time, and keeps
 * the lock until its commit, so that numbers become visible in their order; what has not been committed has no number that could be passed
 * over. Events of one job keep their order: each takes its `id` when its transaction has the job's row locked.
 *
 * Numbering writes each event a second time (some 20,000 a second on two busy cores), apart from the transition and only where somebody reads. Rejected:
 *
 * - a lock around number and commit: all commits wait for each other, as with NOTIFY in the transaction (5,672/s instead of 18,575)
 * - shared locks of the writers, and readers who wait for those who have one: a writer that froze in its transaction stops all others
 * - to read only what is older than each open transaction (`pg_snapshot_xmin`), in the order of transaction ids: any transaction on
 *   the server, also of another database, holds up the events of all; and a dump that is restored elsewhere begins again with low ids
 * - a row lock on the key: its submits would wait for each other
 */
export async function numberEvents({ queries, dialect }: Database): Promise<void> {
  if (dialect.commitsInOrder) return
  for (;;) {
    const { rows } = await sql`select 1 from job_events where sequence is null limit 1`.execute(queries)
    if (rows.length === 0) return
    await queries.transaction().execute(async (transaction) => {
      await sql`select pg_advisory_xact_lock(${LOCK}::bigint)`.execute(transaction)
      // Of the statement that follows the lock, so that it sees what the one before has numbered.
      await sql`
        update job_events set sequence = next.number from (
          select id, nextval('job_events_sequence') as number from (
            select id from job_events where sequence is null order by id limit ${EVENTS_PER_TRANSACTION}
          ) as unnumbered
        ) as next
        where job_events.id = next.id
      `.execute(transaction)
    })
  }
}

/** "sottoe" in ASCII: any number that other users of the same database are unlikely to have taken. */
const LOCK = 0x73_6f_74_74_6f_65

/** Batch size: no transaction may hold the lock for long. */
const EVENTS_PER_TRANSACTION = 1000
