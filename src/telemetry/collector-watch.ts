import type { Logger } from 'pino'

/** Tells the log when the collector can't be reached, once, and when it can be again. What could not be sent meanwhile is lost. */
export class CollectorWatch {
  readonly #logger: Logger
  readonly #endpoint: string
  #isAway = false

  constructor(logger: Logger, endpoint: string) {
    this.#logger = logger
    this.#endpoint = endpoint
  }

  /** @param error why it did not take what it was sent; undefined: it did */
  note(error?: Error): void {
    const isAway = error !== undefined
    if (isAway === this.#isAway) return
    this.#isAway = isAway
    const facts = { endpoint: this.#endpoint }
    if (!isAway) this.#logger.info(facts, 'the OpenTelemetry collector takes traces and metrics again')
    else {
      this.#logger.warn(
        { ...facts, reason: error.message },
        'the OpenTelemetry collector did not take traces or metrics; it is still tried, and this is said once',
      )
    }
  }
}
