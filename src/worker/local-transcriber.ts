import type { Logger } from 'pino'
import type { DownloadProgress } from '../hub/commit-download.ts'
import type { ModelCache } from '../hub/model-cache.ts'
import type { Transcript } from '../contract/transcript.ts'
import { EnginePool } from './engine-pool.ts'
import type { EnginePoolOptions } from './engine-pool.ts'
import type { Transcriber, TranscriptionControl, TranscriptionTask } from './transcriber.ts'

const DOWNLOAD_LOG_MS = 2000

export interface LocalTranscriberOptions extends EnginePoolOptions {
  readonly models: ModelCache
}

/** The engine on this machine. */
export class LocalTranscriber implements Transcriber {
  readonly decodesHere = true
  readonly #models: ModelCache
  readonly #pool: EnginePool

  constructor(options: LocalTranscriberOptions) {
    this.#models = options.models
    this.#pool = new EnginePool(options)
  }

  async transcribe(task: TranscriptionTask, control: TranscriptionControl): Promise<Transcript> {
    const { model, isSuspect, ...recognition } = task
    const { signal, logger, onWeights, onExpectedSpeed, onProgress, onWindow } = control
    const download = new DownloadReport(logger, onWeights)
    const { folder } = await this.#models.open(model, { signal, onProgress: (progress) => download.add(progress) })
    download.finish()
    using held = await this.#pool.hold(folder, signal, { isAlone: isSuspect, isExpress: task.isExpress ?? false })
    return await held.process.transcribe(recognition, { signal, onExpectedSpeed, onWindow, onProgress })
  }

  async check(signal: AbortSignal): Promise<void> {
    await this.#pool.check(signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]()
  }
}

/** Weights may take minutes, in which neither the log nor the job's history shall be silent. */
class DownloadReport {
  readonly #logger: Logger
  readonly #onWeights: TranscriptionControl['onWeights']
  #last: DownloadProgress | undefined
  #nextLogMs = 0

  constructor(logger: Logger, onWeights: TranscriptionControl['onWeights']) {
    this.#logger = logger
    this.#onWeights = onWeights
  }

  add(progress: DownloadProgress): void {
    this.#last = progress
    const { receivedBytes, totalBytes } = progress
    // The small files come first, by which it is known how large the others are.
    if (receivedBytes < totalBytes) this.#onWeights?.(progress)
    if (performance.now() < this.#nextLogMs) return
    this.#nextLogMs = performance.now() + DOWNLOAD_LOG_MS
    const percent = Math.floor((100 * receivedBytes) / totalBytes)
    this.#logger.info(`fetching weights: ${percent} % of ${Math.ceil(totalBytes / 1e6)} MB`)
  }

  /** They are all there. */
  finish(): void {
    if (this.#last !== undefined) this.#onWeights?.({ ...this.#last, receivedBytes: this.#last.totalBytes })
  }
}
