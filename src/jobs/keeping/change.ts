import { sql } from 'kysely'
import type { Database } from '../sql/dialect.ts'
import type { Job } from '../job.ts'
import type { JobChanges } from '../job-store.ts'
import { jobOf, labelColumns, secondsOf } from '../sql/job-row.ts'
import type { JobRow } from '../sql/schema.ts'

/** Changes a job to what `change` says of it as it is, which nobody else changes meanwhile. Undefined: there is none. */
export async function changeJob(
  { queries, dialect }: Database,
  id: string,
  change: (job: Job) => JobChanges,
): Promise<Job | undefined> {
  return await queries.transaction().execute(async (transaction) => {
    const { rows } = await sql<JobRow>`select * from jobs where id = ${id} ${dialect.lockRows}`.execute(transaction)
    const [row] = rows
    if (row === undefined) return undefined
    const job = jobOf(row)
    const { name, metadata, expiresAt, removeAfterSeconds } = { ...job, ...change(job) }
    const changed = await transaction
      .updateTable('jobs')
      .set({
        ...labelColumns(name, metadata),
        expires_at: secondsOf(expiresAt),
        remove_after_seconds: removeAfterSeconds,
      })
      .where('id', '=', id)
      .returningAll()
      .executeTakeFirst()
    return changed && jobOf(changed)
  })
}
