import { sql } from 'kysely'
import type { RawBuilder, Selectable } from 'kysely'
import type { Database, Dialect } from '../sql/dialect.ts'
import { JobStoreError } from '../errors.ts'
import type { LimitError } from '../errors.ts'
import type { Job } from '../job.ts'
import { jobOf, labelColumns, secondsOf } from '../sql/job-row.ts'
import { dayOf, refusal, usageOfKeys } from './key-usage.ts'
import type { UsageAtSubmit } from './key-usage.ts'
import { laneOf, placeOf, queueOf } from '../queue/queue-order.ts'
import { heads } from '../queue/queues.ts'
import type { JobRow, JobsTable } from '../sql/schema.ts'
import type { Idempotency, KeyLimits, NewJob, Submitted } from '../job-store.ts'

export type Outcome = Submitted | Error

/** What a row is inserted with, and as which type. */
const COLUMNS = {
  id: 'text',
  key_id: 'text',
  model: 'text',
  name: 'text',
  folded_name: 'text',
  metadata: 'text',
  service_tier: 'text',
  priority: 'text',
  input: 'text',
  payload_key: 'text',
  payload_version: 'text',
  source_url: 'text',
  max_audio_seconds: 'float8',
  audio_seconds: 'float8',
  urgent: 'int4',
  queue: 'text',
  lane: 'int4',
  virtual_start: 'float8',
  rank: 'float8',
  start_by: 'float8',
  timeout_seconds: 'float8',
  expires_at: 'float8',
  remove_after_seconds: 'float8',
  idempotency_key: 'text',
  request_hash: 'text',
  webhook: 'text',
  webhook_events: 'text',
  webhook_queue: 'text',
  traceparent: 'text',
} as const satisfies Partial<Record<keyof JobsTable, 'text' | 'float8' | 'int4'>>

type NewRow = Pick<Selectable<JobsTable>, keyof typeof COLUMNS>

/**
 * Inserts jobs in one commit, in one statement. Limits and places are found out before, outside the write: with several servers on one
 * database, jobs of one key that come to two of them in the same millisecond may both pass the last place that a limit leaves, or get
 * the same rank. Taking a lock for each key instead would make its submits wait for each other.
 * @returns an outcome for each job, in order
 */
export async function submitAll(
  database: Database,
  jobs: readonly NewJob[],
  limits: KeyLimits,
): Promise<readonly Outcome[]> {
  const limited = new Map(jobs.map((job) => [job, { ...limits, ...job.limits }]))
  const limitsOf = (job: NewJob): KeyLimits => limited.get(job) ?? limits
  const { now, virtualTime } = await clocks(database)
  const usages = await usageOfKeys(database, jobs, limitsOf, now)
  const replays = await replaysAmong(database, jobs, limitsOf)
  const rows: NewRow[] = []
  const refused = new Map<NewJob, LimitError>()
  for (const job of jobs) {
    const usage = usages.get(job.keyId)
    if (usage === undefined || replays.has(job)) continue
    const error = refusal(job, usage, limitsOf(job), now)
    if (error === undefined) rows.push(place(job, usage, virtualTime))
    else refused.set(job, error)
  }
  const counted = new Set(jobs.filter((job) => limitsOf(job).audioSecondsPerDay !== null).map(({ keyId }) => keyId))
  const inserted = rows.length === 0 ? [] : await insertFree(database, rows, counted, now)
  const found = new Map(inserted === 'gone' ? [] : inserted.map((row) => [row.id, row]))
  return await Promise.all(
    jobs.map(async (job) => {
      const row = found.get(job.id)
      if (row !== undefined) return { job: jobOf(row), isNew: true }
      const otherwise = inserted === 'gone' ? recordingGone() : removedReplay()
      return refused.get(job) ?? (await replayOf(database, job, otherwise))
    }),
  )
}

/** What was submitted before counts against no limit. */
async function replaysAmong(
  database: Database,
  jobs: readonly NewJob[],
  limitsOf: (job: NewJob) => KeyLimits,
): Promise<ReadonlySet<NewJob>> {
  const replays = new Set<NewJob>()
  for (const job of jobs) {
    const { queuedJobs, audioSecondsPerDay } = limitsOf(job)
    if (job.idempotency === null || (queuedJobs === null && audioSecondsPerDay === null)) continue
    const row = await database.queries
      .selectFrom('jobs')
      .select('sequence')
      .where('key_id', '=', job.keyId)
      .where('idempotency_key', '=', job.idempotency.key)
      .executeTakeFirst()
    if (row !== undefined) replays.add(job)
  }
  return replays
}

/** A job whose recording is being removed is refused by a trigger, and with it all that were to be inserted in the same statement. */
async function insertFree(
  database: Database,
  rows: readonly NewRow[],
  counted: ReadonlySet<string>,
  now: number,
): Promise<readonly JobRow[] | 'gone'> {
  try {
    return await insert(database, rows, counted, now)
  } catch (error) {
    const [only, ...others] = rows
    if (!isRefused(error) || only === undefined || others.length > 0) throw error
    const { queries } = database
    const key = only.payload_key
    const row = await queries
      .selectFrom('garbage')
      .select('payload_key')
      .where('payload_key', '=', key)
      .executeTakeFirst()
    if (row === undefined) throw error
    return 'gone'
  }
}

/** Whether the database's schema refused a write. */
export function isRefused(error: unknown): boolean {
  return error instanceof JobStoreError && error.code === 'store.refused'
}

function recordingGone(): JobStoreError {
  return new JobStoreError(
    'recording.gone',
    'The recording was removed just now, with the last job that it was submitted with. Upload it again, then submit it.',
  )
}

async function clocks({ queries, dialect }: Database): Promise<{ readonly now: number; readonly virtualTime: number }> {
  const { rows } = await sql<{ now: number; start: number | null }>`
    with recursive ${heads()}
    select ${dialect.now} as now,
      (select jobs.virtual_start from jobs where jobs.sequence = (select sequence from heads order by rank limit 1)) as start
  `.execute(queries)
  const { now = 0, start = null } = rows[0] ?? {}
  return { now, virtualTime: Math.max(now, start ?? 0) }
}

function place(job: NewJob, { lastRanks }: UsageAtSubmit, virtualTime: number): NewRow {
  const lane = laneOf(job)
  const { virtualStart, rank } = placeOf(job, virtualTime, lastRanks.get(lane))
  lastRanks.set(lane, Math.max(rank, lastRanks.get(lane) ?? 0))
  return {
    id: job.id,
    key_id: job.keyId,
    model: job.model,
    ...labelColumns(job.name ?? null, job.metadata ?? {}),
    service_tier: job.serviceTier,
    priority: job.priority,
    input: JSON.stringify(job.input),
    payload_key: job.payloadKey,
    payload_version: job.payloadVersion ?? null,
    source_url: job.sourceUrl ?? null,
    max_audio_seconds: job.maxAudioSeconds,
    audio_seconds: job.audioSeconds,
    urgent: job.urgent ? 1 : 0,
    queue: queueOf(job),
    lane,
    virtual_start: virtualStart,
    rank,
    start_by: secondsOf(job.startBy),
    timeout_seconds: job.timeoutSeconds,
    expires_at: secondsOf(job.expiresAt),
    remove_after_seconds: job.removeAfterSeconds ?? null,
    idempotency_key: job.idempotency?.key ?? null,
    request_hash: job.idempotency?.requestHash ?? null,
    webhook: job.webhook?.endpoint ?? null,
    webhook_events: job.webhook?.events.join(' ') ?? null,
    webhook_queue: job.webhook?.queue ?? null,
    traceparent: job.traceparent ?? null,
  }
}

/**
 * A job whose idempotency key is there already is left out.
 * @param counted the keys whose audio is counted
 */
async function insert(
  { queries, dialect }: Database,
  rows: readonly NewRow[],
  counted: ReadonlySet<string>,
  now: number,
): Promise<readonly JobRow[]> {
  if (counted.size === 0) return await insertRows(queries, dialect, rows)
  return await queries.transaction().execute(async (transaction) => {
    const inserted = await insertRows(transaction, dialect, rows)
    for (const [keyId, seconds] of audioOf(inserted.filter((row) => counted.has(row.key_id)))) {
      await transaction
        .insertInto('audio_usage')
        .values({ key_id: keyId, day: dayOf(now), audio_seconds: seconds })
        .onConflict((conflict) =>
          conflict
            .columns(['key_id', 'day'])
            .doUpdateSet({ audio_seconds: sql`audio_usage.audio_seconds + excluded.audio_seconds` }),
        )
        .execute()
    }
    return inserted
  })
}

/** Whatever its job is not called, the recording may be: by who uploaded it, or by another job that has it. */
function orOfRecording(name: 'name' | 'folded_name'): RawBuilder<string | null> {
  const column = sql.ref(name)
  return sql`coalesce(
    given.${column},
    (select uploads.${column} from uploads where uploads.payload_key = given.payload_key),
    (select jobs.${column} from jobs where jobs.payload_key = given.payload_key and jobs.name is not null
      order by jobs.sequence limit 1)
  )`
}

async function insertRows(
  queries: Database['queries'],
  dialect: Dialect,
  rows: readonly NewRow[],
): Promise<readonly JobRow[]> {
  const columns = Object.keys(COLUMNS)
  const values = columns.map((name) =>
    name === 'name' || name === 'folded_name' ? orOfRecording(name) : sql.ref(name),
  )
  const names = sql.join(columns.map((name) => sql.ref(name)))
  const { rows: inserted } = await sql<JobRow>`
    insert into jobs (status, ${names})
    select 'pending', ${sql.join(values)} from ${dialect.rows(rows, COLUMNS)} where true
    on conflict (key_id, idempotency_key) where idempotency_key is not null do nothing
    returning *
  `.execute(queries)
  return inserted
}

/** By key, in one order everywhere, so that servers that update several keys' rows do not wait for each other in a circle. */
function audioOf(rows: readonly JobRow[]): readonly (readonly [keyId: string, seconds: number])[] {
  const seconds = new Map<string, number>()
  for (const row of rows) seconds.set(row.key_id, (seconds.get(row.key_id) ?? 0) + row.audio_seconds)
  return [...seconds].sort(([one], [other]) => (one < other ? -1 : 1))
}

/** Never throws: others of its group may be committed, and their outcome is not this one's. */
async function replayOf(
  database: Database,
  { keyId, idempotency }: NewJob,
  otherwise: JobStoreError,
): Promise<Outcome> {
  try {
    const job = idempotency === null ? undefined : await findReplay(database, keyId, idempotency)
    return job === undefined ? otherwise : { job, isNew: false }
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

function removedReplay(): JobStoreError {
  return new JobStoreError('store.unavailable', 'The job with this Idempotency-Key was removed just now. Submit again.')
}

/** @throws JobStoreError `idempotency.mismatch` */
export async function findReplay(
  { queries }: Database,
  keyId: string,
  { key, requestHash }: Idempotency,
): Promise<Job | undefined> {
  const row = await queries
    .selectFrom('jobs')
    .selectAll()
    .where('key_id', '=', keyId)
    .where('idempotency_key', '=', key)
    .executeTakeFirst()
  if (row === undefined) return undefined
  if (row.request_hash === requestHash) return jobOf(row)
  throw new JobStoreError(
    'idempotency.mismatch',
    'This Idempotency-Key was used for another request. Send a new key with each new request, and the same key only with ' +
      'the same request.',
  )
}
