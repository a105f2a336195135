import DataLoader from 'dataloader'
import { sql } from 'kysely'
import type { Database } from './dialect.ts'
import type { Job } from './job.ts'
import { jobOf } from './job-row.ts'
import { KnownJobs } from './known-jobs.ts'
import type { JobRow } from './schema.ts'
import type { Soon } from './soon.ts'

/** As many as fit well into one statement. */
const MOST = 100

/** Looks jobs up by their ids. Those that are asked for in one turn of the event loop are read together. */
export class JobFinder {
  /** To be told of each change. */
  readonly known: KnownJobs
  readonly #database: Database
  readonly #reads: DataLoader<string, Job | undefined>

  constructor(database: Database) {
    this.#database = database
    this.known = new KnownJobs(database)
    this.#reads = new DataLoader((ids) => this.#read(ids), {
      cache: false,
      maxBatchSize: MOST,
      batchScheduleFn: (read) => void setImmediate(read),
    })
  }

  find(id: string): Soon<Job | undefined> {
    return this.known.get(id) ?? this.#reads.load(id)
  }

  /** A row that is damaged is the error of the one who asked for it. */
  async #read(ids: readonly string[]): Promise<readonly (Job | Error | undefined)[]> {
    const { generation } = this.known
    const given = this.#database.dialect.rows(
      ids.map((id) => ({ id })),
      { id: 'text' },
    )
    const { rows } = await sql<JobRow>`
      select * from jobs where id in (select given.id from ${given})
    `.execute(this.#database.queries)
    const found = new Map<string, Job | Error>()
    for (const row of rows) {
      try {
        const job = jobOf(row)
        this.known.add(job, generation)
        found.set(row.id, job)
      } catch (error) {
        found.set(row.id, error instanceof Error ? error : new Error(String(error)))
      }
    }
    return ids.map((id) => found.get(id))
  }
}
