import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import type { RawBuilder, SqlBool } from 'kysely'
import type { Database } from './dialect.ts'
import { fromNow } from './dialect.ts'
import { jobOf } from './job-row.ts'
import { MOST_URGENT, partsOfQueue, queuePrefix } from './queue-order.ts'
import { heads } from './queues.ts'
import type { ServiceTier } from './job.ts'
import type { JobRow } from './schema.ts'
import { Room } from './room.ts'
import type { ClaimOptions, ClaimedJob, WaitingModel } from './store.ts'

/** Takes jobs one after the other, while there is room. */
export async function claim(
  database: Database,
  options: ClaimOptions,
  runningLimit: number | null,
): Promise<readonly ClaimedJob[]> {
  const room = new Room(options)
  const claimed: ClaimedJob[] = []
  let urgent = options.urgentInARow ?? 0
  for (;;) {
    const next = await claimNext(database, options, room, urgent >= MOST_URGENT, runningLimit)
    if (next === undefined) return claimed
    urgent = next.job.urgent ? urgent + 1 : 0
    claimed.push(next)
  }
}

async function claimNext(
  database: Database,
  { asked, served, leaseMs }: ClaimOptions,
  room: Room,
  passesOverUrgent: boolean,
  runningLimit: number | null,
): Promise<ClaimedJob | undefined> {
  const passes = passesOverUrgent ? [true, false] : [false]
  for (const passesOver of passes) {
    for (const isExpress of [false, true]) {
      if (room.places(null, isExpress) === 0) continue
      const one = { asked, served, leaseMs, isExpress, models: room.models(isExpress), passesOverUrgent: passesOver }
      const claimed = await claimOne(database, one, runningLimit)
      if (claimed === undefined) continue
      room.take(claimed.job.model)
      return claimed
    }
  }
  return undefined
}

interface One extends Pick<ClaimOptions, 'asked' | 'served' | 'leaseMs'> {
  readonly models: readonly string[] | null
  readonly isExpress: boolean
  readonly passesOverUrgent: boolean
}

/**
 * Takes the next pending job in one UPDATE: the queue whose next job has the lowest rank is found first, then a job of it is taken
 * that no other claimer is taking. It reads a few entries of the index `jobs_pending` for each queue, however many jobs wait.
 */
async function claimOne(
  { queries, dialect }: Database,
  options: One,
  runningLimit: number | null,
): Promise<ClaimedJob | undefined> {
  const token = randomUUID()
  const isReady = sql<SqlBool>`(jobs.not_before is null or jobs.not_before <= ${dialect.now})
    and (jobs.start_by is null or jobs.start_by > ${dialect.now}) and ${mayRun(runningLimit)}
    ${options.passesOverUrgent ? sql`and jobs.urgent = 0` : sql``}`
  const { rows } = await sql<JobRow>`
    with recursive ${heads(isAsked(options), isReady)},
    next(queue) as (
      select queue from heads order by rank, sequence limit 1
    )
    update jobs set
      status = 'processing',
      served_tier = ${options.served},
      started_at = ${dialect.now},
      attempt = attempt + 1,
      lease_token = ${token},
      lease_until = ${fromNow(dialect, options.leaseMs)}
    where sequence = (
      select jobs.sequence from jobs
      where jobs.status = 'pending' and jobs.queue = (select queue from next) and ${isReady}
      order by jobs.rank, jobs.sequence limit 1 ${dialect.skipLocked}
    )
    returning *
  `.execute(queries)
  const [row] = rows
  return row && { job: jobOf(row), lease: { jobId: row.id, token, attempt: row.attempt } }
}

/** By name where the models are known, else by the beginning of the name. */
function isAsked({ asked, models, isExpress }: One): RawBuilder<SqlBool> {
  const prefixes = asked.flatMap((tier) => (isExpress ? [true] : [true, false]).map((is) => queuePrefix(tier, is)))
  if (models !== null) {
    const names = prefixes.flatMap((prefix) => models.map((model) => prefix + model))
    return names.length === 0 ? sql<SqlBool>`false` : sql<SqlBool>`queue in (${sql.join(names)})`
  }
  if (prefixes.length === 0) return sql<SqlBool>`false`
  const begins = prefixes.map((prefix) => sql`substr(queue, 1, ${sql.lit(prefix.length)}) = ${prefix}`)
  return sql<SqlBool>`(${sql.join(begins, sql` or `)})`
}

/** Whether the job's key has fewer running jobs than it may have. */
function mayRun(limit: number | null): RawBuilder<SqlBool> {
  if (limit === null) return sql<SqlBool>`true`
  return sql<SqlBool>`jobs.key_id not in (
    select running.key_id from jobs as running where running.status = 'processing'
    group by running.key_id having count(*) >= ${limit}
  )`
}

/** What waits now, by model. */
export async function waitingModels(
  { queries, dialect }: Database,
  asked: readonly ServiceTier[],
): Promise<readonly WaitingModel[]> {
  const isReady = sql<SqlBool>`(jobs.not_before is null or jobs.not_before <= ${dialect.now})
    and (jobs.start_by is null or jobs.start_by > ${dialect.now})`
  const isAskedFor = isAsked({
    asked,
    served: 'cpuflex',
    leaseMs: 0,
    models: null,
    isExpress: false,
    passesOverUrgent: false,
  })
  const { rows } = await sql<{ queue: string; rank: number; crashes: number; readyForMs: number }>`
    with recursive ${heads(isAskedFor, isReady)}
    select heads.queue, heads.rank, (
      select jobs.crashes from jobs where jobs.sequence = heads.sequence
    ) as crashes, (
      select 1000 * (${dialect.now} - coalesce(jobs.not_before, jobs.accepted_at)) from jobs where jobs.sequence = heads.sequence
    ) as "readyForMs"
    from heads order by rank, sequence
  `.execute(queries)
  const models = new Map<string, WaitingModel>()
  for (const { queue, rank, crashes, readyForMs } of rows) {
    const { model, isExpress } = partsOfQueue(queue)
    const next = models.get(model) ?? { model, rank, isExpress, isSuspect: crashes > 0, readyForMs }
    models.set(model, { ...next, readyForMs: Math.max(next.readyForMs, readyForMs) })
  }
  return [...models.values()]
}
