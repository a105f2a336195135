import { sql } from 'kysely'
import type { RawBuilder, SqlBool, Updateable } from 'kysely'
import { claim } from './claim.ts'
import type { Database } from './database.ts'
import { giveBack } from './give-back.ts'
import type { EndOfRun, GivenBack } from './give-back.ts'
import { FINISHED_STATUSES, isFinished } from './job.ts'
import type { Job, JobError } from './job.ts'
import { JobEventEmitter } from './job-events.ts'
import { jobOf } from './job-row.ts'
import { list } from './list.ts'
import type { JobsTable } from './schema.ts'
import { fromNow, now } from './sqlite-clock.ts'
import type { ClaimedJob, JobEvents, JobStore, Lease, LeaseState, ListOptions, NewJob } from './store.ts'
import { submit } from './submit.ts'
import { keepWindow, windows } from './windows.ts'

/** The jobs in SQLite. Every transition is one statement, committed and on disk when its promise resolves. */
export class SqliteJobStore implements JobStore {
  readonly #database: Database
  readonly #events = new JobEventEmitter()

  constructor(database: Database) {
    this.#database = database
  }

  async submit(job: NewJob): Promise<Job> {
    const submitted = await submit(this.#database, job)
    this.#events.emit('claimable')
    return submitted
  }

  async find(id: string): Promise<Job | undefined> {
    const row = await this.#database.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirst()
    return row && jobOf(row)
  }

  list(keyId: string, options: ListOptions): Promise<readonly Job[]> {
    return list(this.#database, keyId, options)
  }

  async usesPayload(payloadKey: string): Promise<boolean> {
    const row = await this.#database
      .selectFrom('jobs')
      .select('sequence')
      .where('payload_key', '=', payloadKey)
      .limit(1)
      .executeTakeFirst()
    return row !== undefined
  }

  async admit(): Promise<number> {
    const { numUpdatedRows } = await this.#database
      .updateTable('jobs')
      .set({ status: 'pending' })
      .where(sql<SqlBool>`status = 'accepted'`)
      .executeTakeFirst()
    if (numUpdatedRows > 0n) this.#events.emit('claimable')
    return Number(numUpdatedRows)
  }

  claim(options: Parameters<JobStore['claim']>[0]): Promise<ClaimedJob | undefined> {
    return claim(this.#database, options)
  }

  async heartbeat(lease: Lease, leaseMs: number): Promise<LeaseState> {
    const row = await this.#database
      .updateTable('jobs')
      .set({ lease_until: fromNow(leaseMs) })
      .where(heldBy(lease))
      .returning('cancel_requested_at')
      .executeTakeFirst()
    if (row === undefined) return 'lost'
    return row.cancel_requested_at === null ? 'held' : 'cancel'
  }

  keepWindow(lease: Lease, ordinal: number, data: string): Promise<boolean> {
    return keepWindow(this.#database, heldBy(lease), { ordinal, data })
  }

  windows(jobId: string): Promise<readonly string[]> {
    return windows(this.#database, jobId)
  }

  succeed(lease: Lease, resultKey: string): Promise<boolean> {
    return this.#settle(heldBy(lease), lease, { status: 'success', result_key: resultKey })
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

  async release(lease: Lease): Promise<boolean> {
    return (await this.#giveBack(heldBy(lease), { cause: 'stop' })).length > 0
  }

  async retry(
    lease: Lease,
    cause: 'error' | 'crash',
    error: JobError,
    limits: { readonly failures: number; readonly crashes: number },
  ): Promise<'pending' | 'failed' | 'cancelled' | 'lost'> {
    const limit = cause === 'error' ? limits.failures : limits.crashes
    const [job] = await this.#giveBack(heldBy(lease), { cause, limit, error })
    return job?.status ?? 'lost'
  }

  async cancel(id: string): Promise<Job | undefined> {
    const row = await this.#database
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
    if (row === undefined) return this.find(id)
    this.#events.emit(row.status === 'processing' ? 'cancelRequested' : 'finished', id)
    return jobOf(row)
  }

  async remove(id: string): Promise<boolean> {
    const { numDeletedRows } = await this.#database
      .deleteFrom('jobs')
      .where('id', '=', id)
      .where('status', 'in', FINISHED_STATUSES)
      .executeTakeFirst()
    return numDeletedRows > 0n
  }

  async reap(limits: { readonly crashes: number }): Promise<number> {
    const error: JobError = {
      code: 'job.crashed',
      message:
        `The server died ${limits.crashes} times while it ran this job, so it will not be tried again. If other ` +
        'recordings work, this one may need more memory than the machine has.',
    }
    const expired = sql<SqlBool>`lease_until <= ${now}`
    return (await this.#giveBack(expired, { cause: 'crash', limit: limits.crashes, error })).length
  }

  /** Its steps need no common transaction: whatever one of them left undone, the next start does. */
  async recover(): Promise<number> {
    await this.#database
      .updateTable('jobs')
      .set({ cancel_requested_at: sql`coalesce(cancel_requested_at, ${now})` })
      .where(sql<SqlBool>`status = 'processing' and urgent = 1`)
      .execute()
    const running = await this.#giveBack(sql<SqlBool>`true`, { cause: 'stop' })
    for (const waiting of [sql`'accepted'`, sql`'pending'`]) {
      await this.#database
        .updateTable('jobs')
        .set({ status: 'cancelled', cancel_requested_at: now, completed_at: now })
        .where(sql<SqlBool>`status = ${waiting} and urgent = 1`)
        .execute()
    }
    return running.length
  }

  async check(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    await this.#database
      .insertInto('write_checks')
      .values({ id: 1, checked_at: now })
      .onConflict((conflict) => conflict.column('id').doUpdateSet({ checked_at: now }))
      .execute()
  }

  on<Name extends keyof JobEvents>(name: Name, listener: (...event: JobEvents[Name]) => void): Disposable {
    return this.#events.on(name, listener)
  }

  async #settle(guard: RawBuilder<SqlBool>, lease: Lease, outcome: Updateable<JobsTable>): Promise<boolean> {
    const { numUpdatedRows } = await this.#database
      .updateTable('jobs')
      .set({ ...outcome, completed_at: now, lease_token: null, lease_until: null })
      .where(guard)
      .executeTakeFirst()
    if (numUpdatedRows === 0n) return false
    this.#events.emit('finished', lease.jobId)
    return true
  }

  async #giveBack(which: RawBuilder<SqlBool>, end: EndOfRun): Promise<readonly GivenBack[]> {
    const jobs = await giveBack(this.#database, which, end)
    if (jobs.some((job) => job.status === 'pending')) this.#events.emit('claimable')
    for (const job of jobs) if (isFinished(job.status)) this.#events.emit('finished', job.id)
    return jobs
  }
}

/** The fence: a worker whose lease was taken away matches no row. */
function heldBy(lease: Lease): RawBuilder<SqlBool> {
  return sql<SqlBool>`id = ${lease.jobId} and lease_token = ${lease.token} and status = 'processing'`
}
