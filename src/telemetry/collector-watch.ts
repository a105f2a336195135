import { ExportResultCode } from '@opentelemetry/core'
import type { ExportResult } from '@opentelemetry/core'
import type { Logger } from 'pino'

/** What both kinds of exporter have. */
interface Exporter<Batch> {
  export(batch: Batch, done: (result: ExportResult) => void): void
}

/** Tells the log when the collector can't be reached, once, and when it can be again. What could not be sent meanwhile is lost. */
export class CollectorWatch {
  readonly #logger: Logger
  readonly #endpoint: string
  #isAway = false

  constructor(logger: Logger, endpoint: string) {
    this.#logger = logger
    this.#endpoint = endpoint
  }

  /** Whether it did not take what it was sent last. */
  get isAway(): boolean {
    return this.#isAway
  }

  /** Has an exporter watched; it is changed. */
  over<Batch, Watched extends Exporter<Batch>>(exporter: Watched & Exporter<Batch>): Watched {
    const send = exporter.export.bind(exporter)
    exporter.export = (batch, done) =>
      send(batch, (result) => {
        this.#note(result)
        done(result)
      })
    return exporter
  }

  #note({ code, error }: ExportResult): void {
    const isAway = code !== ExportResultCode.SUCCESS
    if (isAway === this.#isAway) return
    this.#isAway = isAway
    const facts = { endpoint: this.#endpoint }
    if (!isAway) this.#logger.info(facts, 'the OpenTelemetry collector takes traces and metrics again')
    else {
      const reason = error?.message ?? 'it did not answer'
      this.#logger.warn(
        { ...facts, reason },
        'the OpenTelemetry collector did not take traces or metrics; it is still tried, and this is said once',
      )
    }
  }
}
