import { sql } from 'kysely'
import type { RawBuilder, SqlBool, Updateable } from 'kysely'
import type { JobEvent, RecordingFetched, WeightsFetched } from '../../contract/job-event.ts'
import { claim } from '../queue/claim.ts'
import type { ToldSegment } from '../../contract/transcript.ts'
import { fromNow } from './dialect.ts'
import type { Database } from './dialect.ts'
import { EventFeed } from '../events/event-feed.ts'
import { readEvents } from '../events/event-log.ts'
import { numberEvents } from '../events/event-order.ts'
import { noteEvent } from '../events/event-note.ts'
import type { Note } from '../events/event-note.ts'
import { thinEvents } from '../events/event-thinning.ts'
import { expireWaiting } from '../life/expiry.ts'
import type { Expired } from '../life/expiry.ts'
import { changeJob } from '../keeping/change.ts'
import { forgetRemoval, recoverGarbage } from '../keeping/garbage.ts'
import { giveBack } from '../life/give-back.ts'
import type { EndOfRun, GivenBack } from '../life/give-back.ts'
import { FINISHED_STATUSES, isFinished } from '../job.ts'
import type { Job, JobError, ServiceTier } from '../job.ts'
import { JobFinder } from '../reading/job-finder.ts'
import { jobOf } from './job-row.ts'
import type { KnownJobs } from '../reading/known-jobs.ts'
import { list } from '../reading/list.ts'
import { LocalNews } from '../events/local-news.ts'
import { Retention, removeJobs } from '../keeping/removal.ts'
import type { JobsTable } from './schema.ts'
import type {
  ClaimOptions,
  ClaimedJob,
  FetchedRecording,
  JobNewsBus,
  JobPage,
  JobStore,
  JobStoreOptions,
  Lease,
  LeaseState,
} from '../job-store.ts'
import type {
  Idempotency,
  JobChanges,
  JobNewsKind,
  KeyLimits,
  KeyUsage,
  ListOptions,
  NewJob,
  Submitted,
  WaitingModel,
} from '../job-store.ts'
import { usageOf } from '../life/key-usage.ts'
import { passages, settleWithPassages, untold } from '../life/passages.ts'
import type { StoredPassage } from '../life/passages.ts'
import { findReplay, submitAll } from '../life/submit.ts'
import { SubmitGroups } from '../life/submit-groups.ts'
import { fetched } from '../life/fetched.ts'
import { correctLength } from '../life/true-length.ts'
import { FETCH } from '../queue/queue-order.ts'
import { FETCHES_PER_KEY, RunningLimits } from '../queue/running-limits.ts'
import { waitingModels } from '../queue/waiting.ts'
import { countWindows, keepWindow, windows } from '../life/windows.ts'

export const UNLIMITED: JobStoreOptions = {
  retentionMs: null,
  limits: { queuedJobs: null, runningJobs: null, audioSecondsPerDay: null },
}

/** The jobs in SQLite or PostgreSQL. Every transition is one statement, committed and durable when its promise resolves. */
export class SqlJobStore implements JobStore {
  readonly feed: EventFeed
  readonly #database: Database
  readonly #options: JobStoreOptions
  readonly #news: JobNewsBus
  readonly #submits: SubmitGroups
  readonly #finder: JobFinder
  readonly #retention: Retention
  readonly #runningLimits: RunningLimits
  readonly #fetchLimits: RunningLimits

  constructor(database: Database, options: JobStoreOptions = UNLIMITED, news: JobNewsBus = new LocalNews()) {
    this.#database = database
    this.#options = options
    this.#news = news
    this.feed = new EventFeed(database, news)
    this.#finder = new JobFinder(database)
    const { runningJobs } = options.limits
    this.#runningLimits = new RunningLimits(runningJobs)
    this.#fetchLimits = new RunningLimits(Math.min(FETCHES_PER_KEY, runningJobs ?? FETCHES_PER_KEY))
    this.#retention = new Retention(database, options.retentionMs, options.onKept ?? (() => undefined))
    this.#submits = new SubmitGroups((jobs) => submitAll(database, jobs, options.limits))
  }

  async submit(job: NewJob): Promise<Submitted> {
    const submitted = await this.#submits.add(job)
    if (submitted.isNew) this.#tell('claimable')
    return submitted
  }

  findReplay(keyId: string, idempotency: Idempotency): Promise<Job | undefined> {
    return findReplay(this.#database, keyId, idempotency)
  }

  find(id: string, maxAgeMs?: number): Promise<Job | undefined> {
    return this.#finder.find(id, maxAgeMs)
  }

  usage(keyId: string, limits: Partial<KeyLimits> = {}): Promise<KeyUsage> {
    return usageOf(this.#database, keyId, { ...this.#options.limits, ...limits })
  }

  list(keyId: string | null, options: ListOptions): Promise<JobPage> {
    return list(this.#database, keyId, options)
  }

  events(...[jobId, after, limit, kinds]: Parameters<JobStore['events']>): Promise<readonly JobEvent[]> {
    return readEvents(this.#database, { jobId }, after, limit, kinds)
  }

  eventsOfKey(keyId: string, after: number, limit: number): Promise<readonly JobEvent[]> {
    return readEvents(this.#database, { keyId }, after, limit)
  }

  numberEvents(): Promise<void> {
    return numberEvents(this.#database)
  }

  async usesPayload(payloadKey: string): Promise<boolean> {
    const row = await this.#queries
      .selectFrom('jobs')
      .select('sequence')
      .where('payload_key', '=', payloadKey)
      .limit(1)
      .executeTakeFirst()
    return row !== undefined
  }

  forgetRemoval(payloadKey: string, isThere: () => Promise<boolean>): Promise<boolean> {
    return forgetRemoval(this.#database, payloadKey, isThere)
  }

  async claim(options: ClaimOptions): Promise<readonly ClaimedJob[]> {
    // What is fetched and what runs are counted apart.
    const limits = options.asked.includes(FETCH) ? this.#fetchLimits : this.#runningLimits
    const claimed = await claim(this.#database, options, limits, (jobs) => this.#tellOfExpired(jobs))
    for (const { job } of claimed) this.#known.forget(job.id)
    if (claimed.length > 0) this.#tell('progress')
    return claimed
  }

  waiting(asked: readonly ServiceTier[]): Promise<readonly WaitingModel[]> {
    return waitingModels(this.#database, asked, this.#runningLimits, (jobs) => this.#tellOfExpired(jobs))
  }

  async heartbeat(lease: Lease, leaseMs: number): Promise<LeaseState> {
    const row = await this.#queries
      .updateTable('jobs')
      .set({ lease_until: fromNow(this.#dialect, leaseMs) })
      .where(heldBy(lease))
      .returning('cancel_requested_at')
      .executeTakeFirst()
    if (row === undefined) return 'lost'
    return row.cancel_requested_at === null ? 'held' : 'cancel'
  }

  async keepWindow(
    ...[lease, ordinal, data, doneSeconds, passage]: Parameters<JobStore['keepWindow']>
  ): Promise<boolean> {
    const { jobId } = lease
    const window = { jobId, ordinal, data, doneSeconds, passage: passage ?? null }
    const isKept = await keepWindow(this.#database, heldBy(lease), window)
    this.#known.forget(jobId)
    if (!isKept) return false
    this.#tell('progress')
    await thinEvents(this.#database, jobId, ordinal)
    return isKept
  }

  async correctLength(lease: Lease, audioSeconds: number): Promise<boolean> {
    const isCorrected = await correctLength(this.#database, heldBy(lease), audioSeconds)
    this.#known.forget(lease.jobId)
    return isCorrected
  }

  noteWeights(lease: Lease, data: WeightsFetched): Promise<boolean> {
    return this.#note(lease, { kind: 'weights', data })
  }

  noteFetch(lease: Lease, data: RecordingFetched): Promise<boolean> {
    return this.#note(lease, { kind: 'fetch', data })
  }

  async fetched(lease: Lease, recording: FetchedRecording): Promise<boolean> {
    const job = await fetched(this.#database, heldBy(lease), recording)
    if (job === undefined) return false
    this.#tellOfGivenBack([job])
    return true
  }

  windows(jobId: string): Promise<readonly string[]> {
    return windows(this.#database, jobId)
  }

  /** Idempotent: a result belongs to one attempt, so a job that has it already was settled by an earlier try of the same lease. */
  async succeed(lease: Lease, resultKey: string, segments?: readonly ToldSegment[]): Promise<boolean> {
    const rest = segments === undefined ? [] : await this.#untold(lease.jobId, segments)
    if (await this.#settle(heldBy(lease), lease, { status: 'success', result_key: resultKey }, rest)) return true
    return (await this.find(lease.jobId))?.resultKey === resultKey
  }

  fail(lease: Lease, error: JobError): Promise<boolean> {
    return this.#settle(heldBy(lease), lease, {
      status: 'failed',
      error_code: error.code,
      error_message: error.message,
    })
  }

  settleCancelled(lease: Lease): Promise<boolean> {
    const guard = sql<SqlBool>`${heldBy(lease)} and cancel_requested_at is not null`
    return this.#settle(guard, lease, { status: 'cancelled' })
  }

  async release(lease: Lease, pauseMs = 0): Promise<boolean> {
    return (await this.#giveBack(heldBy(lease), { cause: 'stop', pauseMs })).length > 0
  }

  async retry(
    ...[lease, cause, error, limits, pauseMs = 0]: Parameters<JobStore['retry']>
  ): ReturnType<JobStore['retry']> {
    const limit = cause === 'error' ? limits.failures : limits.crashes
    const [job] = await this.#giveBack(heldBy(lease), { cause, limit, error, pauseMs })
    return job?.status ?? 'lost'
  }

  async defer(...[lease, error, options]: Parameters<JobStore['defer']>): ReturnType<JobStore['defer']> {
    const [job] = await this.#giveBack(heldBy(lease), { cause: 'wait', error, ...options })
    return job?.status ?? 'lost'
  }

  async cancel(id: string): Promise<Job | undefined> {
    const { now } = this.#dialect
    const row = await this.#queries
      .updateTable('jobs')
      .set({
        status: sql`case when status = 'processing' then status else 'cancelled' end`,
        completed_at: sql`case when status = 'processing' then null else ${now} end`,
        cancel_requested_at: sql`coalesce(cancel_requested_at, ${now})`,
      })
      .where('id', '=', id)
      .where('status', 'not in', FINISHED_STATUSES)
      .returningAll()
      .executeTakeFirst()
    this.#known.forget(id)
    if (row === undefined) return await this.find(id)
    this.#tell(row.status === 'processing' ? 'cancelRequested' : 'finished', id)
    return jobOf(row)
  }

  async change(id: string, change: (job: Job) => JobChanges): Promise<Job | undefined> {
    const job = await changeJob(this.#database, id, change)
    this.#known.forget(id)
    return job
  }

  async remove(id: string): Promise<boolean> {
    const removed = await removeJobs(this.#database, sql<SqlBool>`id = ${id}`)
    this.#known.forget(id)
    return removed > 0
  }

  async reap(limits: { readonly crashes: number }): Promise<number> {
    const error: JobError = {
      code: 'job.crashed',
      message:
        `The server died ${limits.crashes} times while it ran this job, so it will not be tried again. If other ` +
        'recordings work, this one may need more memory than the machine has.',
    }
    const waiting = { code: error.code, message: 'The server that ran this job died. The job is tried again.' }
    const expired = sql<SqlBool>`lease_until <= ${this.#dialect.now}`
    return (await this.#giveBack(expired, { cause: 'crash', limit: limits.crashes, error, waiting })).length
  }

  async expire(limit: number): Promise<number> {
    this.#tellOfExpired(await expireWaiting(this.#database))
    const removed = await this.#retention.removeDue(limit)
    if (removed > 0) this.#known.clear()
    return removed
  }

  /** Idempotent, so it needs no transaction: what a crash leaves undone, the next start does. */
  async recover(): Promise<number> {
    const { now } = this.#dialect
    await this.#queries
      .updateTable('jobs')
      .set({ cancel_requested_at: sql`coalesce(cancel_requested_at, ${now})` })
      .where(sql<SqlBool>`status = 'processing' and urgent = 1`)
      .execute()
    const running = await this.#giveBack(sql<SqlBool>`true`, { cause: 'stop' })
    await this.#queries
      .updateTable('jobs')
      .set({ status: 'cancelled', cancel_requested_at: now, completed_at: now })
      .where(sql<SqlBool>`status = 'pending' and urgent = 1`)
      .execute()
    await recoverGarbage(this.#database)
    this.#known.clear()
    return running.length
  }

  async check(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    const { now } = this.#dialect
    await this.#queries
      .insertInto('write_checks')
      .values({ id: 1, checked_at: now })
      .onConflict((conflict) => conflict.column('id').doUpdateSet({ checked_at: now }))
      .execute()
  }

  on: JobNewsBus['on'] = (news, listener) => this.#news.on(news, listener)
  onJob: JobNewsBus['onJob'] = (kind, id, listener) => this.#news.onJob(kind, id, listener)

  get #known(): KnownJobs {
    return this.#finder.known
  }

  get #queries(): Database['queries'] {
    return this.#database.queries
  }

  get #dialect(): Database['dialect'] {
    return this.#database.dialect
  }

  /** Whatever happens to a job is in its history. */
  #tell(what: 'claimable' | 'progress' | JobNewsKind, jobId?: string): void {
    this.#news.emit('history')
    if (what === 'claimable') this.#news.emit(what)
    else if (what !== 'progress' && jobId !== undefined) this.#news.emitJob(what, jobId)
  }

  /** Nobody else writes what is told of a job while its lease is held. */
  async #untold(jobId: string, segments: readonly ToldSegment[]): Promise<readonly StoredPassage[]> {
    const stored = await passages(this.#database, jobId)
    return untold(stored, segments, await countWindows(this.#database, jobId))
  }

  async #note(lease: Lease, note: Note): Promise<boolean> {
    const isNoted = await noteEvent(this.#database, heldBy(lease), note)
    if (isNoted) this.#tell('progress')
    return isNoted
  }

  async #settle(
    guard: RawBuilder<SqlBool>,
    lease: Lease,
    outcome: Updateable<JobsTable>,
    rest: readonly StoredPassage[] = [],
  ): Promise<boolean> {
    const end = {
      ...outcome,
      ...(outcome.status === 'success' ? { done_seconds: sql<number>`audio_seconds` } : {}),
      ...{ completed_at: this.#dialect.now, lease_token: null, lease_until: null },
    }
    const isSettled =
      rest.length > 0
        ? await settleWithPassages(this.#database, guard, rest, end)
        : (await this.#queries.updateTable('jobs').set(end).where(guard).executeTakeFirst()).numUpdatedRows > 0n
    this.#known.forget(lease.jobId)
    if (isSettled) this.#tell('finished', lease.jobId)
    return isSettled
  }

  #tellOfExpired(jobs: readonly Expired[]): void {
    for (const { id, status } of jobs) {
      this.#known.forget(id)
      this.#tell(status === 'processing' ? 'cancelRequested' : 'finished', id)
    }
  }

  async #giveBack(which: RawBuilder<SqlBool>, end: EndOfRun): Promise<readonly GivenBack[]> {
    const jobs = await giveBack(this.#database, which, end)
    this.#tellOfGivenBack(jobs)
    return jobs
  }

  #tellOfGivenBack(jobs: readonly GivenBack[]): void {
    for (const { id } of jobs) this.#known.forget(id)
    if (jobs.some((job) => job.status === 'pending')) this.#tell('claimable')
    for (const job of jobs) if (isFinished(job.status)) this.#tell('finished', job.id)
  }
}

/** The fence: a worker whose lease was taken away matches no row. */
function heldBy(lease: Lease): RawBuilder<SqlBool> {
  return sql<SqlBool>`id = ${lease.jobId} and lease_token = ${lease.token} and status = 'processing'`
}
