import { sql } from 'kysely'
import type { RawBuilder, SqlBool } from 'kysely'
import type { RecordingFetched, WeightsFetched } from '../../contract/job-event.ts'
import type { Database } from '../sql/dialect.ts'

/** The events that change nothing of their job, so that no trigger writes them. */
export type Note =
  | { readonly kind: 'weights'; readonly data: WeightsFetched }
  | { readonly kind: 'fetch'; readonly data: RecordingFetched }

/**
 * Writes such an event. The job's row is locked before the event takes its number, as
 * by a transition.
 */
export async function noteEvent(
  { queries, dialect }: Database,
  held: RawBuilder<SqlBool>,
  { kind, data }: Note,
): Promise<boolean> {
  const { rows } = await sql`
    insert into job_events (job_id, key_id, kind, data, at)
    select held.id, held.key_id, ${kind}, ${JSON.stringify(data)}, ${dialect.now}
    from (select id, key_id from jobs where ${held} ${dialect.lockRows}) as held
    returning 1
  `.execute(queries)
  return rows.length > 0
}
