import { LRUCache } from 'lru-cache'
import type { Database } from './dialect.ts'
import { isFinished } from './job.ts'
import type { Job } from './job.ts'

const REMEMBERED = 10_000

/**
 * Finished jobs as they were last read: nothing about them changes any more but that they are removed, and clients poll again and again.
 * A removal by another process is seen as soon as `Database.version` tells of it.
 */
export class FinishedJobs {
  readonly #version: Database['version']
  readonly #jobs = new LRUCache<string, Job>({ max: REMEMBERED })
  #seen = Number.NaN

  constructor({ version }: Database) {
    this.#version = version
  }

  get(id: string): Job | undefined {
    this.#look()
    return this.#jobs.get(id)
  }

  /** Takes note of a job that was read just now. */
  add(job: Job | undefined): void {
    if (job !== undefined && isFinished(job.status)) this.#jobs.set(job.id, job)
  }

  /** To be called when this process has removed some. */
  clear(): void {
    this.#jobs.clear()
  }

  #look(): void {
    const version = this.#version()
    if (version === this.#seen) return
    this.#jobs.clear()
    this.#seen = version
  }
}
