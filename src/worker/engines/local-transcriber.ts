import type { Logger } from 'pino'
import type { DownloadProgress } from '../../hub/commit-download.ts'
import type { ModelCache } from '../../hub/model-cache.ts'
import type { Transcript } from '../../contract/transcript.ts'
import { EnginePool } from './engine-pool.ts'
import type { EngineNeeds } from './engine-places.ts'
import type { EnginePoolOptions } from './engine-pool.ts'
import type { LocalEngines, Transcriber, TranscriptionControl, TranscriptionTask } from '../transcriber.ts'

const DOWNLOAD_LOG_MS = 2000
/** What a model takes is asked at each look at the queues, and stands in a file that hardly ever changes. */
const NEEDS_FRESH_MS = 5000

export interface LocalTranscriberOptions extends EnginePoolOptions {
  readonly models: ModelCache
  /** Bytes that a model takes when it is loaded. */
  readonly estimate: (modelFolder: string) => Promise<number>
  /** Tasks of a model that run at the same time, where that depends on it. */
  readonly batchOf?: (modelFolder: string) => Promise<number>
}

/** The engine on this machine. */
export class LocalTranscriber implements Transcriber {
  readonly decodesHere = true
  readonly engines: LocalEngines
  readonly #options: LocalTranscriberOptions
  readonly #pool: EnginePool
  readonly #needs = new Map<string, { readonly needs: EngineNeeds; readonly readMs: number }>()

  constructor(options: LocalTranscriberOptions) {
    this.#options = options
    this.#pool = new EnginePool(options)
    this.engines = { pool: this.#pool, needsOf: (model) => this.#needsOf(model) }
  }

  async transcribe(task: TranscriptionTask, control: TranscriptionControl): Promise<Transcript> {
    const { model, engine, ...recognition } = task
    const { signal, logger, onWeights, onLoaded, onExpectedSpeed, onProgress, onWindow } = control
    const download = new DownloadReport(logger, onWeights)
    await this.#options.models.open(model, { signal, onProgress: (progress) => download.add(progress) })
    download.finish()
    if (engine === undefined) throw new Error('a local engine’s tasks are admitted by a scheduler')
    using held = await engine()
    return await held.transcribe(recognition, { signal, onLoaded, onExpectedSpeed, onWindow, onProgress })
  }

  async check(signal: AbortSignal): Promise<void> {
    await this.#pool.check(signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]()
  }

  async #needsOf(model: string): Promise<EngineNeeds | undefined> {
    const known = this.#needs.get(model)
    if (known !== undefined && performance.now() - known.readMs < NEEDS_FRESH_MS) return known.needs
    const { models, settings, estimate, batchOf } = this.#options
    const modelFolder = await models.folderOf(model)
    if (modelFolder === undefined) return undefined
    const [bytes, places = settings.batch] = await Promise.all([estimate(modelFolder), batchOf?.(modelFolder)])
    const needs = { modelFolder, bytes, places }
    this.#needs.set(model, { needs, readMs: performance.now() })
    return needs
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
