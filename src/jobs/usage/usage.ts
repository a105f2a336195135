import { sql } from 'kysely'
import type { RawBuilder, SqlBool } from 'kysely'
import type { Database } from '../sql/dialect.ts'

/** What usage may be summed by. */
export const USAGE_GROUPS = ['day', 'model', 'key'] as const
export type UsageGroup = (typeof USAGE_GROUPS)[number]

export const MAX_USAGE_DAYS = 366
const DAY_MS = 86_400_000

export interface UsageQuery {
  readonly by: UsageGroup
  /** Days of UTC, today's included. */
  readonly days: number
  /** Null: of all keys. */
  readonly keyId: string | null
  readonly model?: string
}

/** Jobs that finished, and what they took. By day: of each day and model. */
export interface Usage {
  /** Of UTC, such as `2026-11-26`; only by day. */
  readonly day?: string
  /** Only by day and by model. */
  readonly model?: string
  /** Only by key. */
  readonly keyId?: string
  readonly jobs: number
  readonly succeeded: number
  readonly cancelled: number
  readonly failed: number
  /** How many failed by which code. */
  readonly failures: Readonly<Record<string, number>>
  /** Seconds of audio that became text, also of jobs that did not succeed. */
  readonly audioSeconds: number
  /** Seconds from the beginning of each job's last run to its end. */
  readonly runSeconds: number
}

/** One row: of the columns that it is grouped by, and of one outcome. */
interface Sum {
  readonly day?: number
  readonly model?: string
  readonly key_id?: string
  readonly outcome: string
  readonly jobs: number
  readonly audio_seconds: number
  readonly run_seconds: number
}

const COLUMNS = { day: ['day', 'model'], model: ['model'], key: ['key_id'] } as const satisfies Record<
  UsageGroup,
  readonly (keyof Sum)[]
>

/**
 * What keys have used: of all jobs that have finished, those that are removed by now included. The first day comes first, and of it the
 * first model by its name.
 * @param now by which today is known
 */
export async function readUsage(
  { queries }: Database,
  { by, days, keyId, model }: UsageQuery,
  now = new Date(),
): Promise<readonly Usage[]> {
  const conditions: RawBuilder<SqlBool>[] = [sql<SqlBool>`day > ${Math.floor(now.getTime() / DAY_MS) - days}`]
  if (keyId !== null) conditions.push(sql<SqlBool>`key_id = ${keyId}`)
  if (model !== undefined) conditions.push(sql<SqlBool>`model = ${model}`)
  const which = sql.join(conditions, sql` and `)
  const columns = sql.join([...COLUMNS[by], 'outcome'].map((name) => sql.ref(name)))
  // One statement, and so one state of both: what has been summed up is in one of them.
  const { rows } = await sql<Sum>`
    select ${columns}, sum(jobs) as jobs, sum(audio_seconds) as audio_seconds, sum(run_seconds) as run_seconds from (
      select key_id, day, model, outcome, jobs, audio_seconds, run_seconds from usage_days where ${which}
      union all
      select key_id, day, model, outcome, 1 as jobs, audio_seconds, run_seconds from usage_entries where ${which}
    ) as counted
    group by ${columns} order by ${columns}
  `.execute(queries)
  const groups = Map.groupBy(rows, (row) => JSON.stringify(COLUMNS[by].map((name) => row[name])))
  return [...groups.values()].map(usageOf)
}

function usageOf(sums: readonly Sum[]): Usage {
  const { day, model, key_id: keyId }: Partial<Sum> = sums[0] ?? {}
  const jobs = (outcome: string): number => sums.find((sum) => sum.outcome === outcome)?.jobs ?? 0
  const failures = sums.filter(({ outcome }) => outcome !== 'success' && outcome !== 'cancelled')
  const total = (column: 'jobs' | 'audio_seconds' | 'run_seconds', of = sums): number =>
    of.reduce((sum, each) => sum + each[column], 0)
  return {
    ...(day === undefined ? {} : { day: new Date(day * DAY_MS).toISOString().slice(0, 10) }),
    ...(model === undefined ? {} : { model }),
    ...(keyId === undefined ? {} : { keyId }),
    jobs: total('jobs'),
    succeeded: jobs('success'),
    cancelled: jobs('cancelled'),
    failed: total('jobs', failures),
    failures: Object.fromEntries(failures.map((each) => [each.outcome, each.jobs])),
    audioSeconds: total('audio_seconds'),
    runSeconds: total('run_seconds'),
  }
}
