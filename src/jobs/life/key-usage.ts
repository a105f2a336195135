import { sql } from 'kysely'
import type { Database } from '../sql/dialect.ts'
import { LimitError } from '../errors.ts'
import { laneOf } from '../queue/queue-order.ts'
import type { KeyLimits, KeyUsage as UsageNow, NewJob } from '../job-store.ts'

const SECONDS_PER_DAY = 86_400

/** What is known of a key when its jobs come. */
export interface UsageAtSubmit {
  queuedJobs: number
  audioSeconds: number
  /** Rank of the last job in each lane that waits or runs. */
  readonly lastRanks: Map<number, number>
}

/** Of each key that has a job among these. */
export async function usageOfKeys(
  database: Database,
  jobs: readonly NewJob[],
  limitsOf: (job: NewJob) => KeyLimits,
  now: number,
): Promise<ReadonlyMap<string, UsageAtSubmit>> {
  const { queries } = database
  const usages = new Map<string, UsageAtSubmit>()
  for (const job of jobs) {
    const { keyId } = job
    if (usages.has(keyId)) continue
    const { queuedJobs: mostJobs, audioSecondsPerDay: mostSeconds } = limitsOf(job)
    usages.set(keyId, {
      lastRanks: new Map(),
      queuedJobs: mostJobs === null ? 0 : await queuedJobs(queries, keyId, mostJobs),
      audioSeconds: mostSeconds === null ? 0 : ((await audioSecondsOn(queries, keyId, dayOf(now))) ?? 0),
    })
  }
  for (const { key_id: keyId, lane, waiting, running } of await lastRanksOf(database, jobs)) {
    usages.get(keyId)?.lastRanks.set(lane, Math.max(waiting ?? 0, running ?? 0))
  }
  return usages
}

interface LastRank {
  readonly key_id: string
  readonly lane: number
  readonly waiting: number | null
  readonly running: number | null
}

/**
 * Of the lines that these jobs are to stand in. What runs counts as well, with its true length once that is known: else a key that
 * says too little of each of its jobs would only have to submit them one by one.
 */
async function lastRanksOf({ queries, dialect }: Database, jobs: readonly NewJob[]): Promise<readonly LastRank[]> {
  const lines = new Map(jobs.map((job) => [`${job.keyId} ${laneOf(job)}`, { key_id: job.keyId, lane: laneOf(job) }]))
  const given = dialect.rows([...lines.values()], { key_id: 'text', lane: 'int4' })
  const { rows } = await sql<LastRank>`
    select given.key_id, given.lane, (
      select max(jobs.rank) from jobs
      where jobs.key_id = given.key_id and jobs.lane = given.lane and jobs.status = 'pending'
    ) as waiting, (
      -- Not by an index of all jobs of the key: few jobs run.
      select max(jobs.rank) from jobs
      where jobs.key_id || '' = given.key_id and jobs.lane = given.lane and jobs.status = 'processing'
    ) as running
    from ${given}
  `.execute(queries)
  return rows
}

/** Counts no further than it has to. */
async function queuedJobs(queries: Database['queries'], keyId: string, upTo: number): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*) as count from (
      select 1 from jobs where key_id = ${keyId} and status = 'pending' limit ${upTo}
    ) as queued
  `.execute(queries)
  return rows[0]?.count ?? 0
}

/** Undefined: nothing was counted. */
async function audioSecondsOn(queries: Database['queries'], keyId: string, day: number): Promise<number | undefined> {
  const row = await queries
    .selectFrom('audio_usage')
    .select('audio_seconds')
    .where('key_id', '=', keyId)
    .where('day', '=', day)
    .executeTakeFirst()
  return row?.audio_seconds
}

/** What a key has now. */
export async function usageOf({ queries, dialect }: Database, keyId: string, limits: KeyLimits): Promise<UsageNow> {
  const { rows } = await sql<{ now: number; waiting: number; running: number }>`
    select ${dialect.now} as now,
      (select count(*) from jobs where key_id = ${keyId} and status = 'pending') as waiting,
      (select count(*) from jobs where key_id || '' = ${keyId} and status = 'processing') as running
  `.execute(queries)
  const { now = 0, waiting = 0, running = 0 } = rows[0] ?? {}
  const counted = await audioSecondsOn(queries, keyId, dayOf(now))
  const isCounted = counted !== undefined || limits.audioSecondsPerDay !== null
  return { queuedJobs: waiting, runningJobs: running, audioSecondsToday: isCounted ? (counted ?? 0) : null }
}

export function dayOf(now: number): number {
  return Math.floor(now / SECONDS_PER_DAY)
}

/** Why a key may not have one more job; undefined: it may, and has it now. */
export function refusal(job: NewJob, usage: UsageAtSubmit, limits: KeyLimits, now: number): LimitError | undefined {
  const { queuedJobs: mostJobs, audioSecondsPerDay: mostSeconds } = limits
  if (mostJobs !== null && usage.queuedJobs >= mostJobs) {
    return new LimitError(
      `This API key has ${mostJobs} jobs waiting, which is as many as it may have. Submit again when some of them have started.`,
      QUEUE_RETRY_SECONDS,
      { name: 'queued-jobs', quota: mostJobs, remaining: 0, windowSeconds: null },
    )
  }
  if (mostSeconds !== null && usage.audioSeconds + job.audioSeconds > mostSeconds) {
    const used = Math.round(usage.audioSeconds)
    return new LimitError(
      `This API key may submit ${mostSeconds} s of audio a day; it has submitted ${used} s today, and this recording has ` +
        `${Math.round(job.audioSeconds)} s. The day ends at midnight UTC.`,
      Math.ceil((dayOf(now) + 1) * SECONDS_PER_DAY - now),
      {
        ...{ name: 'audio-seconds', quota: mostSeconds, windowSeconds: SECONDS_PER_DAY },
        remaining: Math.max(0, Math.floor(mostSeconds - usage.audioSeconds)),
      },
    )
  }
  usage.queuedJobs += 1
  usage.audioSeconds += job.audioSeconds
  return undefined
}

/** About as long as a window takes: by then another job may have started. */
const QUEUE_RETRY_SECONDS = 10
