import { setImmediate } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Database } from '../sql/dialect.ts'
import type { Job } from '../job.ts'
import { jobOf } from '../sql/job-row.ts'
import { KnownJobs } from './known-jobs.ts'
import type { JobRow } from '../sql/schema.ts'

/** As many as fit well into one statement. */
const MAX_BATCH_LENGTH = 100

interface Read {
  readonly rows: ReadonlyMap<string, JobRow>
  /** `KnownJobs.generation` at its beginning. */
  readonly generation: number
  readonly readAtMs: number
}

/** Looks jobs up by their ids, batched: those that are asked for in one turn of the event loop are read by one statement. */
export class JobFinder {
  /** To be told of each change. */
  readonly known: KnownJobs
  readonly #database: Database
  readonly #renewing = new Set<string>()
  /** What will be read at the end of this turn. */
  #next: { readonly ids: Set<string>; readonly read: Promise<Read> } | undefined

  constructor(database: Database) {
    this.#database = database
    this.known = new KnownJobs(database)
  }

  /** @param maxAgeMs how long ago it may have been read */
  async find(id: string, maxAgeMs = 0): Promise<Job | undefined> {
    const known = this.known.get(id, maxAgeMs)
    if (known === undefined) return await this.#find(id)
    // Read anew before it is too old, so that those who ask again and again do not all wait for it at the same time.
    if (this.known.ageMs(id) > maxAgeMs / 2) this.#renew(id)
    return known
  }

  #renew(id: string): void {
    if (this.#renewing.has(id)) return
    this.#renewing.add(id)
    // Whoever asks when it is too old gets the error.
    void this.#find(id)
      .catch(() => undefined)
      .finally(() => this.#renewing.delete(id))
  }

  async #find(id: string): Promise<Job | undefined> {
    const { rows, ...read } = await this.#readWith(id)
    const row = rows.get(id)
    if (row === undefined) return undefined
    const job = jobOf(row)
    this.known.add(job, read)
    return job
  }

  #readWith(id: string): Promise<Read> {
    if (this.#next === undefined || this.#next.ids.size >= MAX_BATCH_LENGTH) {
      const ids = new Set<string>()
      this.#next = { ids, read: this.#read(ids) }
    }
    this.#next.ids.add(id)
    return this.#next.read
  }

  /** @param ids may be added to until the turn ends */
  async #read(ids: ReadonlySet<string>): Promise<Read> {
    await setImmediate()
    this.#next = undefined
    const { generation } = this.known
    const readAtMs = performance.now()
    const given = this.#database.dialect.rows(
      [...ids].map((id) => ({ id })),
      { id: 'text' },
    )
    const { rows } = await sql<JobRow>`
      select * from jobs where id in (select given.id from ${given})
    `.execute(this.#database.queries)
    return { rows: new Map(rows.map((row) => [row.id, row])), generation, readAtMs }
  }
}
