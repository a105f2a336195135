import { sql } from 'kysely'
import type { Selectable } from 'kysely'
import type { Database } from '../sql/dialect.ts'
import type { UsageDaysTable, UsageEntriesTable } from '../sql/schema.ts'

/** Batch size: no statement may take long. */
const ENTRIES_PER_TRANSACTION = 2000

type Day = Selectable<UsageDaysTable>

/**
 * Moves entries of finished jobs into the sums of their days, by whichever server: an entry is summed by whoever deletes it. Says how many
 * there were.
 */
export async function sumUpUsage(database: Database): Promise<number> {
  let entries = 0
  for (;;) {
    const moved = await moveSome(database)
    entries += moved
    if (moved < ENTRIES_PER_TRANSACTION) return entries
  }
}

async function moveSome({ queries, dialect }: Database): Promise<number> {
  return await queries.transaction().execute(async (transaction) => {
    const { rows } = await sql<Selectable<UsageEntriesTable>>`
      delete from usage_entries where sequence in (
        select sequence from usage_entries order by sequence limit ${ENTRIES_PER_TRANSACTION} ${dialect.skipLockedUsage}
      ) returning *
    `.execute(transaction)
    const days = sumsOf(rows)
    if (days.length === 0) return 0
    const given = dialect.rows(days, COLUMNS)
    const names = sql.join(Object.keys(COLUMNS).map((name) => sql.ref(name)))
    await sql`
      insert into usage_days (${names}) select ${names} from ${given} where true
      on conflict (key_id, day, model, outcome) do update set
        jobs = usage_days.jobs + excluded.jobs,
        audio_seconds = usage_days.audio_seconds + excluded.audio_seconds,
        run_seconds = usage_days.run_seconds + excluded.run_seconds
    `.execute(transaction)
    return rows.length
  })
}

const COLUMNS = {
  key_id: 'text',
  day: 'int4',
  model: 'text',
  outcome: 'text',
  jobs: 'int4',
  audio_seconds: 'float8',
  run_seconds: 'float8',
} as const satisfies Record<keyof Day, 'text' | 'int4' | 'float8'>

/** In one order everywhere, so that servers which update the same sums do not wait for each other in a circle. */
function sumsOf(entries: readonly Selectable<UsageEntriesTable>[]): Day[] {
  const sums = new Map<string, Day>()
  for (const { key_id, day, model, outcome, audio_seconds, run_seconds } of entries) {
    const name = JSON.stringify([key_id, day, model, outcome])
    const { jobs = 0, audio_seconds: audio = 0, run_seconds: run = 0 } = sums.get(name) ?? {}
    sums.set(name, {
      ...{ key_id, day, model, outcome },
      ...{ jobs: jobs + 1, audio_seconds: audio + audio_seconds, run_seconds: run + run_seconds },
    })
  }
  return [...sums].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, sum]) => sum)
}
