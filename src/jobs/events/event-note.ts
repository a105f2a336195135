import { sql } from 'kysely'
import type { RawBuilder, SqlBool } from 'kysely'
import type { WeightsFetched } from '../../contract/job-event.ts'
import type { Database } from '../sql/dialect.ts'

/**
 * Writes the one event that changes nothing of its job, so that no trigger does. The job's row is locked before the event takes its number, as
 * by a transition.
 */
export async function noteWeights(
  { queries, dialect }: Database,
  held: RawBuilder<SqlBool>,
  weights: WeightsFetched,
): Promise<boolean> {
  const { rows } = await sql`
    insert into job_events (job_id, key_id, kind, data, at)
    select held.id, held.key_id, 'weights', ${JSON.stringify(weights)}, ${dialect.now}
    from (select id, key_id from jobs where ${held} ${dialect.lockRows}) as held
    returning 1
  `.execute(queries)
  return rows.length > 0
}
