import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import type { Database } from '../sql/dialect.ts'
import type { JobsTable } from '../sql/schema.ts'

/** No statement is to take too long. */
const JOBS_PER_INSERT = 10_000

export interface Filling {
  /** Of a key each, in turns. Default: all of one. */
  readonly keys?: number
  /** In turns. */
  readonly models?: readonly string[]
}

/** Puts many jobs of two tiers, short and long ones, into the queue: as rows, past the submit. */
export async function fillQueue(
  { queries, dialect }: Database,
  jobs: number,
  columns: Partial<Pick<JobsTable, 'not_before' | 'start_by'>> = {},
  { keys = 1, models = ['sotto/whisper-demo'] }: Filling = {},
): Promise<void> {
  const text = dialect.name === 'postgres' ? sql`gen_random_uuid()::text` : sql`hex(randomblob(16))`
  const seconds = sql`(10 + (n * 37) % 5000)`
  const tier = sql`(case n % 2 when 0 then 'cpuflex' else 'gpuflex' end)`
  const model = sql`(case n % ${sql.lit(models.length)} ${sql.join(
    models.map((name, index) => sql`when ${sql.lit(index)} then ${sql.lit(name)}`),
    sql` `,
  )} end)`
  const kind = sql`(case when ${seconds} <= 60 then '/express/' else '/ordinary/' end)`
  const { not_before: notBefore = null, start_by: startBy = null } = columns
  for (let left = jobs; left > 0; left -= JOBS_PER_INSERT) {
    await sql`
      insert into jobs (id, key_id, model, status, service_tier, input, payload_key, audio_seconds, urgent, queue, lane, rank, not_before, start_by)
      select ${text}, 'key-' || cast(n % ${sql.lit(keys)} as text), ${model}, 'pending', ${tier}, '{}', 'uploads/1.mp3', ${seconds}, 0,
        ${tier} || ${kind} || ${model}, n % 4, 1700000000 + n * 10.0 + ${seconds}, cast(${notBefore} as double precision), cast(${startBy} as double precision)
      from ${numbersTo(dialect.name, Math.min(left, JOBS_PER_INSERT))}
    `.execute(queries)
  }
}

function numbersTo(name: Database['dialect']['name'], end: number): RawBuilder<unknown> {
  if (name === 'postgres') return sql`generate_series(1, ${end}::int) as numbers(n)`
  return sql`(with recursive counting(n) as (select 1 union all select n + 1 from counting where n < ${end}) select n from counting)`
}
