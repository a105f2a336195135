import type { FastifyBaseLogger } from 'fastify'

/** Work that no answer waits for. Whoever closes the server waits for it. */
export class Background {
  readonly #logger: FastifyBaseLogger
  readonly #closing = new AbortController()
  readonly #running = new Set<Promise<void>>()

  constructor(logger: FastifyBaseLogger) {
    this.#logger = logger
  }

  /** @param work is not to wait for others any more when the signal aborts */
  start(what: string, work: (closing: AbortSignal) => Promise<void>): void {
    const running = work(this.#closing.signal)
      .catch((error: unknown) => this.#logger.error({ err: error, what }, 'failed behind an answer'))
      .finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    // What still answers may begin more.
    while (this.#running.size > 0) await Promise.all(this.#running)
  }
}
