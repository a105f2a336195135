import { LRUCache } from 'lru-cache'
import type { Database } from '../sql/dialect.ts'
import { isFinished } from '../job.ts'
import type { Job } from '../job.ts'

const REMEMBERED = 10_000

/**
 * A cache of jobs, since clients poll again and again. It is invalidated when `Database.version` changes. Where that comes late, only
 * finished jobs are cached: they are removed, and what their user says of them is changed, which may be seen as much later. Others are there
 * for those alone who say how old an answer may be.
 */
export class KnownJobs {
  readonly #database: Pick<Database, 'version' | 'isVersionExact'>
  readonly #jobs = new LRUCache<string, Job>({ max: REMEMBERED })
  /** Unfinished ones, which other processes may have changed since. */
  readonly #recent = new LRUCache<string, { readonly job: Job; readonly readAtMs: number }>({ max: REMEMBERED })
  #seen = Number.NaN
  #generation = 0

  constructor(database: Pick<Database, 'version' | 'isVersionExact'>) {
    this.#database = database
  }

  /** @param maxAgeMs how long ago it may have been read, where others may have changed it since */
  get(id: string, maxAgeMs = 0): Job | undefined {
    const version = this.#database.version()
    if (version !== this.#seen) this.#forgetAll()
    this.#seen = version
    const known = this.#jobs.get(id)
    if (known !== undefined || maxAgeMs === 0) return known
    const recent = this.#recent.get(id)
    return recent !== undefined && performance.now() - recent.readAtMs <= maxAgeMs ? recent.job : undefined
  }

  /** How long ago an unfinished one was read; 0: it is none, or can't have been changed since. */
  ageMs(id: string): number {
    const recent = this.#jobs.has(id) ? undefined : this.#recent.get(id)
    return recent === undefined ? 0 : performance.now() - recent.readAtMs
  }

  /** Another number once something may have changed. */
  get generation(): number {
    return this.#generation
  }

  /**
   * Takes note of a job, unless something has changed since `generation`, when its read began: it may have been this one.
   * @param read.readAtMs by `performance.now`, before it was read
   */
  add(job: Job, { generation, readAtMs }: { readonly generation: number; readonly readAtMs: number }): void {
    if (generation !== this.#generation) return
    if (this.#database.isVersionExact || isFinished(job.status)) this.#jobs.set(job.id, job)
    else this.#recent.set(job.id, { job, readAtMs })
  }

  /** To be called when this process has changed a job, before anyone is told. */
  forget(id: string): void {
    this.#generation += 1
    this.#jobs.delete(id)
    this.#recent.delete(id)
  }

  /** The same, where it is not known which. */
  clear(): void {
    this.#forgetAll()
    this.#recent.clear()
  }

  /** All but those that are as old as they are known to be. */
  #forgetAll(): void {
    this.#generation += 1
    this.#jobs.clear()
  }
}
