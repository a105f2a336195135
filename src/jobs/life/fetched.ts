import { sql } from 'kysely'
import type { RawBuilder, SqlBool } from 'kysely'
import type { Database } from '../sql/dialect.ts'
import { laneOf, placeOf, queueOf } from '../queue/queue-order.ts'
import type { JobRow } from '../sql/schema.ts'
import type { FetchedRecording } from '../job-store.ts'
import { giveBack } from './give-back.ts'
import type { GivenBack } from './give-back.ts'
import { charge } from './true-length.ts'

/**
 * Gives a job back whose recording has come, in one transaction whose first statement is the fence: it writes nothing unless `held` selects
 * the job. Until now nobody knew how long it is, so that it gets another place: in the line of its length, behind what its key had submitted
 * there before it, and not before its own submit. Undefined: the lease was lost.
 */
export async function fetched(
  database: Database,
  held: RawBuilder<SqlBool>,
  { payloadKey, audioSeconds }: FetchedRecording,
): Promise<GivenBack | undefined> {
  return await database.queries.transaction().execute(async (transaction) => {
    // Changes nothing, and locks the row as it was.
    const job = await transaction
      .updateTable('jobs')
      .set({ audio_seconds: sql<number>`audio_seconds` })
      .where(held)
      .returningAll()
      .executeTakeFirst()
    if (job === undefined) return undefined
    await transaction
      .updateTable('jobs')
      .set({
        ...(await placeIn(transaction, job, audioSeconds)),
        payload_key: payloadKey,
        source_url: null,
        failures: 0,
        crashes: 0,
      })
      .where('sequence', '=', job.sequence)
      .execute()
    await charge(transaction, job, audioSeconds - job.audio_seconds)
    const [given] = await giveBack({ ...database, queries: transaction }, held, { cause: 'stop' })
    return given
  })
}

type Place = Pick<JobRow, 'audio_seconds' | 'lane' | 'queue' | 'virtual_start' | 'rank'>

async function placeIn(queries: Database['queries'], job: JobRow, audioSeconds: number): Promise<Place> {
  const { priority, service_tier: serviceTier, model } = job
  const placed = { priority, audioSeconds, urgent: job.urgent === 1 }
  const lane = laneOf(placed)
  const before = await queries
    .selectFrom('jobs')
    .select(sql<number | null>`max(rank)`.as('rank'))
    .where('key_id', '=', job.key_id)
    .where('lane', '=', lane)
    .where('status', '=', 'pending')
    .where('sequence', '<', job.sequence)
    .executeTakeFirst()
  const { virtualStart, rank } = placeOf(placed, job.virtual_start, before?.rank ?? undefined)
  const queue = queueOf({ ...placed, serviceTier, model })
  return { audio_seconds: audioSeconds, lane, queue, virtual_start: virtualStart, rank }
}
