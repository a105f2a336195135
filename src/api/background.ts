import type { FastifyBaseLogger } from 'fastify'

/** Background work: no answer waits for it, closing the server does. */
export class Background {
  readonly #logger: FastifyBaseLogger
  readonly #closing = new AbortController()
  readonly #running = new Set<Promise<void>>()

  constructor(logger: FastifyBaseLogger) {
    this.#logger = logger
  }

  /** @param work should finish soon once the signal aborts */
  start(what: string, work: (closing: AbortSignal) => Promise<void>): void {
    const running = work(this.#closing.signal)
      .catch((error: unknown) => this.#logger.error({ err: error, what }, 'failed behind an answer'))
      .finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    // Requests that are still answered may add more.
    while (this.#running.size > 0) await Promise.all(this.#running)
  }
}
