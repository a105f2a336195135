import { sql } from 'kysely'
import type { Database } from '../sql/dialect.ts'

/** No statement is to take too long. */
const JOBS_PER_INSERT = 10_000

/**
 * Puts finished jobs of one key into the database, as rows: one in a hundred has failed, one in a thousand is of a customer, of a rare model
 * or has a rare name each. Their ids grow by a second.
 */
export async function fillList({ queries, dialect }: Database, jobs: number): Promise<void> {
  const isPostgres = dialect.name === 'postgres'
  // Their events are not what is looked at, and take longer than all else.
  await sql`drop trigger job_events_accepted ${isPostgres ? sql`on jobs` : sql``}`.execute(queries)
  // A second has 1000 ms: 3e8 in hexadecimal digits.
  const ms = sql`(1764000000000 + n * 1000)`
  const time = isPostgres ? sql`lpad(to_hex(${ms}), 12, '0')` : sql`printf('%012x', ${ms})`
  const id = sql`substr(${time}, 1, 8) || '-' || substr(${time}, 9, 4) || '-7000-8000-000000000000'`
  const rare = (is: string, otherwise: string) =>
    sql`(case n % 1000 when 7 then ${sql.lit(is)} else ${sql.lit(otherwise)} end)`
  const failed = (is: string | null, otherwise: string | null) =>
    sql`(case n % 100 when 3 then ${sql.lit(is)} else ${sql.lit(otherwise)} end)`
  for (let start = 1; start <= jobs; start += JOBS_PER_INSERT) {
    const end = Math.min(start + JOBS_PER_INSERT - 1, jobs)
    const numbers = isPostgres
      ? sql`generate_series(${start}::bigint, ${end}::bigint) as numbers(n)`
      : sql`(with recursive counting(n) as (select ${start} union all select n + 1 from counting where n < ${end}) select n from counting)`
    await sql`
      insert into jobs (id, key_id, model, status, service_tier, input, payload_key, result_key, error_code, error_message,
        audio_seconds, urgent, queue, accepted_at, completed_at, name, folded_name, metadata)
      select ${id}, 'key-1', ${rare('a/rare', 'a/common')}, ${failed('failed', 'success')}, 'cpuflex', ${'{"initial_prompt":"'.padEnd(500, 'x') + '"}'},
        'uploads/' || n, ${failed(null, 'results/1.json')}, ${failed('engine.failed', null)}, ${failed('It failed.', null)},
        60, 0, 'cpuflex/express/a', 1764000000 + n, 1764000060 + n, ${rare('Needle.mp3', 'Talk.mp3')}, ${rare('needle.mp3', 'talk.mp3')},
        ${rare('{"customer":"seven"}', '{"customer":"all"}')}
      from ${numbers}
    `.execute(queries)
  }
  if (isPostgres) await sql`vacuum analyze jobs, job_metadata`.execute(queries)
}
