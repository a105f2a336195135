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
  #generation = 0

  constructor({ version }: Database) {
    this.#version = version
  }

  get(id: string): Job | undefined {
    this.#look()
    return this.#jobs.get(id)
  }

  /** Another number once something may have been removed. */
  get generation(): number {
    return this.#generation
  }

  /** Takes note of a job, unless something was removed since `generation`, when its read began: it may have been this one. */
  add(job: Job | undefined, generation: number): void {
    if (job !== undefined && isFinished(job.status) && generation === this.#generation) this.#jobs.set(job.id, job)
  }

  /** To be called when this process has removed some. */
  clear(): void {
    this.#generation += 1
    this.#jobs.clear()
  }

  #look(): void {
    const version = this.#version()
    if (version === this.#seen) return
    this.clear()
    this.#seen = version
  }
}
