import { sql } from 'kysely'
import type { RawBuilder, SqlBool } from 'kysely'
import type { Database } from '../sql/dialect.ts'
import { dayOf } from './key-usage.ts'
import { placeOf, queueOf } from '../queue/queue-order.ts'
import type { JobRow } from '../sql/schema.ts'

/**
 * A true length that is no more than so many times what was counted costs its key no place: honest guesses by the size of a file
 * are off by that much, and would move all that waits again and again.
 */
const TOLERATED_RATIO = 2
/** Batch size: no correction may take the database for long. */
const MAX_MOVED_JOBS = 500

type Queries = Database['queries']

/**
 * Puts a running job's true length in place of what its header said, in one transaction whose first statement is the fence: it writes
 * nothing unless `held` selects the job, and says whether it did. With the length go what the key has used of its day, the queue that
 * the job is in when it is given back, and the places of the jobs behind it.
 */
export async function correctLength(
  { queries, dialect }: Database,
  held: RawBuilder<SqlBool>,
  audioSeconds: number,
): Promise<boolean> {
  return await queries.transaction().execute(async (transaction) => {
    // Changes nothing, and locks the row as it was.
    const job = await transaction
      .updateTable('jobs')
      .set({ audio_seconds: sql<number>`audio_seconds` })
      .where(held)
      .returningAll()
      .executeTakeFirst()
    if (job === undefined) return false
    const rank = await setLength(transaction, job, audioSeconds)
    await charge(transaction, job, audioSeconds - job.audio_seconds)
    if (job.urgent === 0 && audioSeconds > TOLERATED_RATIO * job.audio_seconds) {
      await moveBack(transaction, dialect.skipLocked, job, rank)
    }
    return true
  })
}

/** It stays in the line that it was submitted to, whose later jobs are to feel it. Gives its new rank. */
async function setLength(queries: Queries, job: JobRow, audioSeconds: number): Promise<number> {
  const { priority, virtual_start: virtualStart, service_tier: serviceTier, model, source_url: sourceUrl } = job
  const placed = { priority, audioSeconds, urgent: job.urgent === 1 }
  const { rank } = placeOf(placed, virtualStart, undefined)
  const queue = queueOf({ ...placed, serviceTier, model, sourceUrl })
  await queries
    .updateTable('jobs')
    .set({ audio_seconds: audioSeconds, rank, queue })
    .where('sequence', '=', job.sequence)
    .execute()
  return rank
}

/** On the day of the submit. Where nothing is counted there is no row. */
export async function charge(queries: Queries, job: JobRow, seconds: number): Promise<void> {
  await queries
    .updateTable('audio_usage')
    .set({ audio_seconds: sql`case when audio_seconds + ${seconds} > 0 then audio_seconds + ${seconds} else 0 end` })
    .where('key_id', '=', job.key_id)
    .where('day', '=', dayOf(job.accepted_at))
    .execute()
}

/** The jobs that stand behind it in its line begin when it really ends: what they would have got if it had told the truth. */
async function moveBack(queries: Queries, skipLocked: RawBuilder<unknown>, job: JobRow, rank: number): Promise<void> {
  const { rows: behind } = await sql<JobRow>`
    select * from jobs
    where key_id = ${job.key_id} and lane = ${job.lane} and status = 'pending' and urgent = 0 and rank > ${job.rank}
    order by rank limit ${MAX_MOVED_JOBS} ${skipLocked}
  `.execute(queries)
  let lastRank = rank
  for (const { sequence, priority, audio_seconds: audioSeconds, virtual_start: start } of behind) {
    const place = placeOf({ priority, audioSeconds, urgent: false }, start, lastRank)
    // There was a gap before it: it and those behind it have not profited.
    if (place.virtualStart === start) return
    await queries
      .updateTable('jobs')
      .set({ virtual_start: place.virtualStart, rank: place.rank })
      .where('sequence', '=', sequence)
      .execute()
    lastRank = place.rank
  }
}
