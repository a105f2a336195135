import { sql } from 'kysely'
import type { RawBuilder, SqlBool } from 'kysely'
import type { Candidate, Front, Line } from './choice.ts'
import type { Database } from './dialect.ts'
import type { ServiceTier } from './job.ts'
import { LEAST_FAIR_RANK, partsOfQueue, queuePrefix } from './queue-order.ts'
import { IS_READY, readyQueues } from './queues.ts'
import { isStale } from './ready.ts'

export interface LookOptions {
  readonly asked: readonly ServiceTier[]
  /** Whose jobs, short and long ones, are looked at; null: any model's. */
  readonly models: (isExpress: boolean) => readonly string[] | null
  /** Jobs of each queue, urgent and other ones, that are looked at. */
  readonly depth: number
  /** How many jobs of a key may run at a time. */
  readonly runningLimit: number | null
  /** Passes over the keys that have as many running as they may, however many jobs of theirs are in front. */
  readonly byKey: boolean
  /** Sequences of jobs that are not looked at. */
  readonly without: ReadonlySet<number>
}

export interface Look {
  readonly front: Front
  /** All that was looked at, in the order of ranks, also behind the front's end. */
  readonly seen: readonly SeenJob[]
  /** Running jobs of the keys that have candidates, where there is a limit. */
  readonly running: ReadonlyMap<string, number>
  /** Some of it is not where it belongs by now. */
  readonly isStale: boolean
}

export interface SeenJob extends Candidate {
  /** Whether what ran it died. */
  readonly isSuspect: boolean
}

interface Row {
  readonly is_stale: number
  readonly queue: string
  readonly low: number
  /** Null: there is no job. */
  readonly sequence: number | null
  readonly key_id: string
  readonly urgent: number
  readonly rank: number
  readonly ready_for_ms: number
  readonly crashes: number
  readonly running: number
}

/** What waits foremost. Reads `depth` entries of `jobs_ready` for each queue, or for each key of it. */
export async function look({ queries, dialect }: Database, options: LookOptions): Promise<Look> {
  const { runningLimit, byKey } = options
  const running =
    runningLimit === null
      ? sql`select cast('' as text), 0 where false`
      : sql`select key_id, count(*) from jobs where status = 'processing' group by key_id`
  const { rows } = await sql<Row>`
    with recursive ${readyQueues(isAsked(options))},
    ranges(low, high) as (
      select cast(0 as double precision), cast(${LEAST_FAIR_RANK} as double precision)
      union all select ${LEAST_FAIR_RANK}, ${Number.MAX_VALUE}
    ),
    running(key_id, amount) as materialized (${running}),
    ${byKey && runningLimit !== null ? keys(runningLimit) : sql`parts(queue, low, high) as (select queue, low, high from queues cross join ranges)`}
    select flags.is_stale, found.* from (select case when ${isStale(dialect)} then 1 else 0 end as is_stale) as flags
    left join (${candidates(dialect, options)}) as found on true
    order by found.rank, found.sequence
  `.execute(queries)
  return lookOf(rows, options.depth)
}

/** The keys of each queue that may have more running, found as the queues are: each behind the last one. */
function keys(runningLimit: number): RawBuilder<unknown> {
  return sql`
    keys(queue, key_id) as (
      select queue, (select min(jobs.key_id) from jobs where ${IS_READY} and jobs.queue = queues.queue) from queues
      union all
      select queue, (
        select min(jobs.key_id) from jobs where ${IS_READY} and jobs.queue = keys.queue and jobs.key_id > keys.key_id
      )
      from keys where keys.key_id is not null
    ),
    parts(queue, key_id, low, high) as (
      select queue, key_id, low, high from keys cross join ranges
      where key_id is not null and key_id not in (select key_id from running where amount >= ${runningLimit})
    )
  `
}

function candidates(dialect: Database['dialect'], options: LookOptions): RawBuilder<unknown> {
  const { depth, runningLimit, byKey, without } = options
  const isOfKey = byKey ? sql`and jobs.key_id = parts.key_id` : sql``
  const isWith = without.size === 0 ? sql`` : sql`and jobs.sequence not in (${sql.join([...without])})`
  const found = sql`
    select parts.queue, parts.low, jobs.sequence, jobs.key_id, jobs.urgent, jobs.rank, jobs.crashes,
      1000 * (${dialect.now} - coalesce(jobs.ready_at, jobs.accepted_at)) as ready_for_ms,
      coalesce((select amount from running where running.key_id = jobs.key_id), 0) as running
    from parts ${dialect.joinJobs(sql`
      ${IS_READY} and jobs.queue = parts.queue ${isOfKey} and jobs.rank >= parts.low and jobs.rank < parts.high
        and (jobs.start_by is null or jobs.start_by > ${dialect.now}) ${isWith}
      order by jobs.rank, jobs.sequence limit ${byKey ? Math.min(depth, runningLimit ?? depth) : depth}
    `)}
  `
  if (!byKey) return found
  return sql`
    select * from (
      select foremost.*, row_number() over (partition by queue, low order by rank, sequence) as place from (${found}) as foremost
    ) as placed where place <= ${depth}
  `
}

/** By name where the models are known, else by the beginning of the name. */
function isAsked({ asked, models }: LookOptions): RawBuilder<SqlBool> {
  const conditions = asked.flatMap((tier) =>
    [true, false].map((isExpress) => {
      const prefix = queuePrefix(tier, isExpress)
      const names = models(isExpress)
      if (names === null) return sql<SqlBool>`substr(queue, 1, ${sql.lit(prefix.length)}) = ${prefix}`
      if (names.length === 0) return sql<SqlBool>`false`
      return sql<SqlBool>`queue in (${sql.join(names.map((name) => prefix + name))})`
    }),
  )
  return conditions.length === 0 ? sql<SqlBool>`false` : sql<SqlBool>`(${sql.join(conditions, sql` or `)})`
}

function lookOf(rows: readonly Row[], depth: number): Look {
  const urgent: Counted[] = []
  const others: Counted[] = []
  const seen: SeenJob[] = []
  const counts = new Map<string, number>()
  const running = new Map<string, number>()
  for (const row of rows) {
    if (row.sequence === null) continue
    const { queue, low, sequence, key_id: keyId, rank, ready_for_ms: readyForMs } = row
    const part = `${low} ${queue}`
    const count = (counts.get(part) ?? 0) + 1
    counts.set(part, count)
    running.set(keyId, row.running)
    const { model, isExpress } = partsOfQueue(queue)
    const candidate = { sequence, model, isExpress, keyId, isUrgent: row.urgent === 1, rank, readyForMs }
    seen.push({ ...candidate, isSuspect: row.crashes > 0 })
    ;(low < LEAST_FAIR_RANK ? urgent : others).push({ candidate, isLastOfPart: count === depth })
  }
  return { front: { urgent: lineOf(urgent), others: lineOf(others) }, seen, running, isStale: rows[0]?.is_stale === 1 }
}

interface Counted {
  readonly candidate: Candidate
  readonly isLastOfPart: boolean
}

/** Behind the last one of a queue that may have more, it is not known what comes next. */
function lineOf(counted: readonly Counted[]): Line {
  const end = counted.findIndex(({ isLastOfPart }) => isLastOfPart)
  const known = end === -1 ? counted : counted.slice(0, end + 1)
  return { candidates: known.map(({ candidate }) => candidate), isCut: end !== -1 }
}
