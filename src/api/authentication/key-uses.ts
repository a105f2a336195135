import type { FastifyBaseLogger } from 'fastify'

/** How often what is noted is written. */
const INTERVAL_MS = 60_000

/** When keys were last used. Requests only note it; it is written for all keys together, once a minute at most. */
export class KeyUses implements AsyncDisposable {
  readonly #write: (agesSeconds: ReadonlyMap<string, number>) => Promise<void>
  readonly #logger: FastifyBaseLogger
  /** Not written yet, by key, by this machine's clock. */
  #atMs = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined

  constructor(
    apiKeys: { noteUses(agesSeconds: ReadonlyMap<string, number>): Promise<void> },
    logger: FastifyBaseLogger,
  ) {
    this.#write = (ages) => apiKeys.noteUses(ages)
    this.#logger = logger
  }

  note(keyId: string): void {
    this.#atMs.set(keyId, Date.now())
    this.#timer ??= setTimeout(() => void this.flush(), INTERVAL_MS).unref()
  }

  /** When a key was used that is not written yet. */
  at(keyId: string): Date | null {
    const atMs = this.#atMs.get(keyId)
    return atMs === undefined ? null : new Date(atMs)
  }

  /** Writes what is noted. What can't be written is lost: it is no more than a hint. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const noted = this.#atMs
    this.#atMs = new Map()
    const now = Date.now()
    try {
      // As ages, since the database has its own clock.
      await this.#write(new Map([...noted].map(([id, atMs]) => [id, Math.max(0, now - atMs) / 1000])))
    } catch (error) {
      this.#logger.warn({ err: error }, 'when API keys were last used could not be written')
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.flush()
  }
}
