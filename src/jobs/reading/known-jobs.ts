import { LRUCache } from 'lru-cache'
import type { Database } from '../sql/dialect.ts'
import { isFinished } from '../job.ts'
import type { Job } from '../job.ts'

const REMEMBERED = 10_000

/**
 * A cache of jobs, since clients poll again and again. It is invalidated when `Database.version` changes. Where that comes late, only
 * finished jobs are cached: they are removed, and what their user says of them is changed, which may be seen as much later.
 */
export class KnownJobs {
  readonly #database: Pick<Database, 'version' | 'isVersionExact'>
  readonly #jobs = new LRUCache<string, Job>({ max: REMEMBERED })
  #seen = Number.NaN
  #generation = 0

  constructor(database: Pick<Database, 'version' | 'isVersionExact'>) {
    this.#database = database
  }

  get(id: string): Job | undefined {
    const version = this.#database.version()
    if (version !== this.#seen) this.clear()
    this.#seen = version
    return this.#jobs.get(id)
  }

  /** Another number once something may have changed. */
  get generation(): number {
    return this.#generation
  }

  /** Takes note of a job, unless something has changed since `generation`, when its read began: it may have been this one. */
  add(job: Job, generation: number): void {
    if (generation !== this.#generation) return
    if (this.#database.isVersionExact || isFinished(job.status)) this.#jobs.set(job.id, job)
  }

  /** To be called when this process has changed a job, before anyone is told. */
  forget(id: string): void {
    this.#generation += 1
    this.#jobs.delete(id)
  }

  /** The same, where it is not known which. */
  clear(): void {
    this.#generation += 1
    this.#jobs.clear()
  }
}
