import { EventEmitter } from 'node:events'
import type { JobNews, JobNewsBus, JobNewsKind } from '../job-store.ts'

/**
 * Tells the listeners in this process what a store has committed. They run after the verb, not within it: a
 * listener's error must not fail the verb.
 */
export class LocalNews implements JobNewsBus {
  readonly #listeners = new EventEmitter()
  /** By job, how many listen. */
  readonly #watched = new Map<string, number>()

  constructor() {
    // Each client that waits for its result listens.
    this.#listeners.setMaxListeners(0)
  }

  on(news: JobNews, listener: () => void): Disposable {
    this.#listeners.on(news, listener)
    return { [Symbol.dispose]: () => void this.#listeners.off(news, listener) }
  }

  onJob(kind: JobNewsKind, jobId: string, listener: () => void): Disposable {
    const name = `${kind} ${jobId}`
    this.#listeners.on(name, listener)
    this.#count(jobId, 1)
    return {
      [Symbol.dispose]: () => {
        this.#listeners.off(name, listener)
        this.#count(jobId, -1)
      },
    }
  }

  emit(news: JobNews): void {
    queueMicrotask(() => this.#listeners.emit(news))
  }

  emitJob(kind: JobNewsKind, jobId: string): void {
    queueMicrotask(() => this.#listeners.emit(`${kind} ${jobId}`))
  }

  /** Jobs that somebody here waits for. */
  protected watched(): readonly string[] {
    return [...this.#watched.keys()]
  }

  #count(jobId: string, more: number): void {
    const count = (this.#watched.get(jobId) ?? 0) + more
    if (count === 0) this.#watched.delete(jobId)
    else this.#watched.set(jobId, count)
  }
}
