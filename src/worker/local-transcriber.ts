import type { Logger } from 'pino'
import type { DownloadProgress, ModelCache } from '../hub/model-cache.ts'
import type { Transcript } from '../contract/transcript.ts'
import { EnginePool } from './engine-pool.ts'
import type { EnginePoolOptions } from './engine-pool.ts'
import { transcribeOptions } from '../models/whisper/transcribe-options.ts'
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
    const { model, audioPath, input, maxAudioSeconds, isSuspect, isExpress, resumeFrom = [] } = task
    const { signal, logger, onExpectedSpeed, onProgress, onWindow } = control
    const options = transcribeOptions(input)
    const { folder } = await this.#models.open(model, { signal, onProgress: logDownload(logger) })
    using held = await this.#pool.hold(folder, signal, { isAlone: isSuspect, isExpress })
    return await held.process.transcribe(
      { audioPath, options, maxAudioSeconds, isExpress, resumeFrom },
      { signal, onExpectedSpeed, onWindow, onProgress },
    )
  }

  async check(signal: AbortSignal): Promise<void> {
    await this.#pool.check(signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]()
  }
}

/** Weights may take minutes, in which the log shall not be silent. */
function logDownload(logger: Logger): (progress: DownloadProgress) => void {
  let nextMs = 0
  return ({ receivedBytes, totalBytes }) => {
    if (performance.now() < nextMs) return
    nextMs = performance.now() + DOWNLOAD_LOG_MS
    const percent = Math.floor((100 * receivedBytes) / totalBytes)
    logger.info(`fetching weights: ${percent} % of ${Math.ceil(totalBytes / 1e6)} MB`)
  }
}
