import type { EngineProcess } from './engine-process.ts'

/** Half a second of computing is not spent for each who asks whether an engine would start, and an engine that no longer does is soon seen. */
const ANSWERED_MS = 5000
/** On a machine that is very busy. It goes on when who asked has gone, for who asks next. */
const PROBE_MS = 60_000

export interface EngineProbeOptions {
  /** An engine's process that has no model, and is started when it is asked. */
  readonly process: () => EngineProcess
  /** How long an engine that has answered counts as one that does. */
  readonly answeredMs?: number | undefined
}

/** Finds out whether an engine would start: with one process for all who ask at the same time and soon after. */
export class EngineProbe implements AsyncDisposable {
  readonly #options: EngineProbeOptions
  readonly #stop = new AbortController()
  #probe: Promise<void> | undefined
  #answeredMs = Number.NEGATIVE_INFINITY

  constructor(options: EngineProbeOptions) {
    this.#options = options
  }

  /** @throws EngineProcessError `engine.crashed` when none answers, or the signal's reason */
  async check(signal: AbortSignal): Promise<void> {
    const { answeredMs = ANSWERED_MS } = this.#options
    if (performance.now() - this.#answeredMs < answeredMs) return
    this.#probe ??= this.#tryOut().finally(() => (this.#probe = undefined))
    const { promise: aborted, reject } = Promise.withResolvers<never>()
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      await Promise.race([this.#probe, aborted])
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#probe?.catch(() => undefined)
  }

  async #tryOut(): Promise<void> {
    await using process = this.#options.process()
    await process.ready(AbortSignal.any([this.#stop.signal, AbortSignal.timeout(PROBE_MS)]))
    this.#answeredMs = performance.now()
  }
}
