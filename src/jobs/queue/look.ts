import { sql } from 'kysely'
import type { RawBuilder, SqlBool } from 'kysely'
import type { Candidate, Front, Line } from './choice.ts'
import type { Database } from '../sql/dialect.ts'
import { FETCH, MIN_FAIR_RANK, partsOfQueue, queuePrefix } from './queue-order.ts'
import type { QueueTier } from './queue-order.ts'
import { IS_READY, readyQueues } from './queues.ts'
import { isStale } from './ready.ts'
import { FETCHES_PER_KEY } from './running-limits.ts'

export interface LookOptions {
  readonly asked: readonly QueueTier[]
  /** Whose jobs, short and long ones, are looked at; null: any model's. */
  readonly models: (isExpress: boolean) => readonly string[] | null
  /** So many jobs of each part of a queue that may run, if it has them. */
  readonly depth: number
  /** Whether keys' limits of running jobs are minded. */
  readonly isLimited: boolean
  /** Such a limit of keys without one of their own; null: none. */
  readonly runningLimit: number | null
  /** Sequences of jobs that are not looked at. */
  readonly without: ReadonlySet<number>
}

export interface Look {
  readonly front: Front
  /** All that was read and may run, in the order of ranks, also behind the front's end. */
  readonly seen: readonly SeenJob[]
  /** Running jobs of the candidates' keys, where there is a limit. */
  readonly running: ReadonlyMap<string, number>
  /** Some jobs are not where they belong by now. */
  readonly isStale: boolean
  /** Some key has a limit of running jobs of its own. */
  readonly haveKeysLimits: boolean
}

export interface SeenJob extends Candidate {
  /** Whether what ran it died. */
  readonly isSuspect: boolean
}

/** The urgent jobs of a queue, or all others. */
interface Part {
  readonly queue: string
  /** Of their ranks. */
  readonly low: number
}

interface Row extends Part {
  /** Null: there is no job. */
  readonly sequence: number | null
  readonly key_id: string
  readonly urgent: number
  readonly rank: number
  readonly ready_for_ms: number
  readonly crashes: number
  readonly running: number
  /** How many may run of its key; null: any number. */
  readonly most_running: number | null
  /** From 1, in its part. */
  readonly place: number
  readonly is_stale: number
  readonly have_keys_limits: number
}

/** Entries of a part that are read beyond those that are wanted, since they may be of keys that have as many running as they may. */
const SPARE = 8

/** What was read of a part. */
interface Seen extends Part {
  /** That may run. */
  readonly candidates: SeenJob[]
  /** The last job that was read, where there may be more behind it. */
  end: Position | null
}

type Position = Pick<Candidate, 'rank' | 'sequence'>

/**
 * What waits foremost: the first entries of each part in the index `jobs_ready`. Where too few of them may run, by reason of their keys'
 * limit, the part is read key by key in `jobs_ready_by_key`: however many jobs of such keys are in front, none of them is met.
 */
export async function look(database: Database, options: LookOptions): Promise<Look> {
  const { depth, isLimited } = options
  const width = isLimited ? depth + SPARE : depth
  const rows = await read(database, options, inOrder(options, width), width)
  const parts = partsIn(rows, width)
  const haveKeysLimits = rows[0]?.have_keys_limits === 1
  if (isLimited) {
    const hidden = [...parts.values()].filter(({ end, candidates }) => end !== null && candidates.length < depth)
    const others =
      hidden.length === 0 ? [] : await read(database, options, byKey(options, haveKeysLimits, hidden), depth)
    for (const part of hidden) parts.delete(nameOf(part))
    for (const [name, part] of partsIn(others, depth)) parts.set(name, part)
    rows.push(...others)
  }
  const seen = [...parts.values()]
  return {
    front: {
      urgent: lineOf(seen.filter(({ low }) => low < MIN_FAIR_RANK)),
      others: lineOf(seen.filter(({ low }) => low >= MIN_FAIR_RANK)),
    },
    seen: seen.flatMap(({ candidates }) => candidates).sort(inOrderOfClaiming),
    running: new Map(rows.map((row) => [row.key_id, row.running])),
    isStale: rows[0]?.is_stale === 1,
    haveKeysLimits,
  }
}

/** What is read: common table expressions up to `parts`, and of each row of `parts` the first jobs. */
interface Scan {
  readonly parts: RawBuilder<unknown>
  readonly ofPart: RawBuilder<unknown>
}

function inOrder({ without, asked, models }: LookOptions, width: number): Scan {
  return {
    parts: sql`
      ${readyQueues(isAsked(asked, models))},
      parts(queue, low, high) as (select queue, low, high from queues cross join ranges)
    `,
    ofPart: sql`${isIn(without)} order by jobs.rank, jobs.sequence limit ${width}`,
  }
}

/** The keys of each queue that may have more running, found as the queues are: each behind the last one. */
function byKey({ without, depth, runningLimit }: LookOptions, haveKeysLimits: boolean, of: readonly Part[]): Scan {
  // No key may have more of them, unless it has a limit of its own.
  const mostOfKey = haveKeysLimits ? depth : Math.min(depth, runningLimit ?? depth)
  const isHidden = sql.join(
    of.map(({ queue, low }) => sql`queue = ${queue} and low = ${low}`),
    sql` or `,
  )
  return {
    parts: sql`
      ${readyQueues(sql<SqlBool>`queue in (${sql.join(of.map(({ queue }) => queue))})`)},
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
        where (${isHidden}) and key_id is not null and key_id not in (select key_id from running where amount >= most)
      )
    `,
    ofPart: sql`
      ${isIn(without)} and jobs.key_id = parts.key_id
      order by jobs.rank, jobs.sequence limit ${mostOfKey}
    `,
  }
}

function isIn(without: ReadonlySet<number>): RawBuilder<unknown> {
  const isLeftOut = without.size === 0 ? sql`` : sql`and jobs.sequence not in (${sql.join([...without])})`
  return sql`jobs.queue = parts.queue and jobs.rank >= parts.low and jobs.rank < parts.high ${isLeftOut}`
}

/**
 * Gives one row at least, which says whether some jobs are stale. Of jobs that may not run by reason of their key, only one that is the last of
 * `width` in its part.
 */
async function read(
  { queries, dialect }: Database,
  { asked, isLimited, runningLimit }: LookOptions,
  { parts, ofPart }: Scan,
  width: number,
): Promise<Row[]> {
  const mostOf = (keyId: string): RawBuilder<number | null> => limitOf(keyId, { asked, runningLimit })
  const running = sql`
    select key_id, amount, ${mostOf('counted.key_id')}
    from (
      select key_id, count(*) as amount from jobs where status = 'processing' and ${isCounted(asked)} group by key_id
    ) as counted
  `
  const { rows } = await sql<Row>`
    with recursive
    ranges(low, high) as (
      select cast(0 as double precision), cast(${MIN_FAIR_RANK} as double precision)
      union all select ${MIN_FAIR_RANK}, ${Number.MAX_VALUE}
    ),
    running(key_id, amount, most) as materialized (${isLimited ? running : sql`select '', 0, 0 where false`}),
    ${parts},
    foremost as (
      select parts.queue, parts.low, jobs.sequence, jobs.key_id, jobs.urgent, jobs.rank, jobs.crashes,
        1000 * (${dialect.now} - coalesce(jobs.ready_at, jobs.accepted_at)) as ready_for_ms,
        coalesce((select amount from running where running.key_id = jobs.key_id), 0) as running,
        ${isLimited ? mostOf('jobs.key_id') : sql`cast(null as integer)`} as most_running,
        row_number() over (partition by parts.queue, parts.low order by jobs.rank, jobs.sequence) as place
      from parts ${dialect.joinJobs(sql`
        ${IS_READY} and (jobs.start_by is null or jobs.start_by > ${dialect.now}) and ${ofPart}
      `)}
    )
    select flags.*, found.* from (
      select case when ${isStale(dialect)} then 1 else 0 end as is_stale,
        case when exists (select 1 from api_keys where running_jobs > 0) then 1 else 0 end as have_keys_limits
    ) as flags
    left join (
      select * from foremost
      where place <= ${width} and (place = ${width} or most_running is null or running < most_running)
    ) as found on true
  `.execute(queries)
  return rows
}

/** Those whose recording is fetched, or those that run, whichever are asked for. */
function isCounted(asked: LookOptions['asked']): RawBuilder<SqlBool> {
  const prefix = queuePrefix(FETCH, false)
  const isFetched = sql<SqlBool>`substr(queue, 1, ${sql.lit(prefix.length)}) = ${prefix}`
  return asked.includes(FETCH) ? isFetched : sql<SqlBool>`not ${isFetched}`
}

/** How many of a key may run; null: any number. Of recordings to fetch, no key has more than a few at a time, whatever else it may. */
function limitOf(
  keyId: string,
  { asked, runningLimit }: Pick<LookOptions, 'asked' | 'runningLimit'>,
): RawBuilder<number | null> {
  const own = sql<number>`coalesce((select running_jobs from api_keys where id = ${sql.ref(keyId)}), ${sql.lit(runningLimit ?? 0)})`
  if (!asked.includes(FETCH)) return sql`nullif(${own}, 0)`
  return sql`case when ${own} between 1 and ${sql.lit(FETCHES_PER_KEY)} then ${own} else ${sql.lit(FETCHES_PER_KEY)} end`
}

/** By name where the models are known, else by the beginning of the name. */
function isAsked(asked: LookOptions['asked'], models: LookOptions['models']): RawBuilder<SqlBool> {
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

function partsIn(rows: readonly Row[], width: number): Map<string, Seen> {
  const parts = new Map<string, Seen>()
  for (const row of rows) {
    if (row.sequence === null) continue
    const { queue, low, sequence, key_id: keyId, rank, ready_for_ms: readyForMs, most_running: mostRunning } = row
    const part: Seen = parts.get(nameOf(row)) ?? { queue, low, candidates: [], end: null }
    parts.set(nameOf(row), part)
    if (row.place === width) part.end = { rank, sequence }
    if (mostRunning !== null && row.running >= mostRunning) continue
    const { model, isExpress } = partsOfQueue(queue)
    const [isUrgent, isSuspect] = [row.urgent === 1, row.crashes > 0]
    part.candidates.push({ sequence, model, isExpress, keyId, mostRunning, isUrgent, isSuspect, rank, readyForMs })
  }
  return parts
}

function nameOf({ queue, low }: Part): string {
  return `${low} ${queue}`
}

/** All parts' candidates in one order. Behind the end of a part that may have more, it is not known what comes next. */
function lineOf(parts: readonly Seen[]): Line {
  const [end] = parts.flatMap((part) => part.end ?? []).sort(inOrderOfClaiming)
  const candidates = parts.flatMap((part) => part.candidates).sort(inOrderOfClaiming)
  const known = end === undefined ? candidates : candidates.filter((one) => inOrderOfClaiming(one, end) <= 0)
  return { candidates: known, isCut: end !== undefined }
}

function inOrderOfClaiming(one: Position, other: Position): number {
  return one.rank - other.rank || one.sequence - other.sequence
}
