import { sql } from 'kysely'
import type { RawBuilder, SqlBool } from 'kysely'
import type { Database } from './database.ts'

/** Writes nothing unless `held` selects the job; says whether it did. */
export async function keepWindow(
  database: Database,
  held: RawBuilder<SqlBool>,
  { ordinal, data }: { readonly ordinal: number; readonly data: string },
): Promise<boolean> {
  const { numAffectedRows = 0n } = await sql`
    insert into job_windows (job_id, ordinal, data)
    select id, ${ordinal}, ${data} from jobs where ${held}
    on conflict (job_id, ordinal) do update set data = excluded.data
  `.execute(database)
  return numAffectedRows > 0n
}

export async function windows(database: Database, jobId: string): Promise<readonly string[]> {
  const rows = await database
    .selectFrom('job_windows')
    .select('data')
    .where('job_id', '=', jobId)
    .orderBy('ordinal')
    .execute()
  return rows.map(({ data }) => data)
}
