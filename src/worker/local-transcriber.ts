import type { Logger } from 'pino'
import type { DownloadProgress, ModelCache } from '../models/model-cache.ts'
import type { Transcription } from '../whisper/result.ts'
import { EngineProcess } from './engine-process.ts'
import { transcribeOptions } from './transcribe-options.ts'
import type { Transcriber, TranscriptionControl, TranscriptionTask } from './transcriber.ts'

const DOWNLOAD_LOG_MS = 2000

export interface LocalTranscriberOptions {
  readonly models: ModelCache
  /** Threads of each engine process. */
  readonly threads: number
  readonly temporaryFolder: string
}

/** The engine on this machine: as many engine processes as tasks run at the same time, kept for the next ones. */
export class LocalTranscriber implements Transcriber {
  readonly #options: LocalTranscriberOptions
  readonly #engines: EngineProcess[] = []
  /** The one that was used last is taken first: the next task is likely to want the model that it has loaded. */
  readonly #idle: EngineProcess[] = []

  constructor(options: LocalTranscriberOptions) {
    this.#options = options
  }

  async transcribe(task: TranscriptionTask, { signal, logger }: TranscriptionControl): Promise<Transcription> {
    const { model, audioPath, input, maxAudioSeconds } = task
    const options = transcribeOptions(input)
    const { folder } = await this.#options.models.open(model, { signal, onProgress: logDownload(logger) })
    const engine = this.#idle.pop() ?? this.#add()
    try {
      return await engine.transcribe({ modelFolder: folder, audioPath, options, maxAudioSeconds }, { signal })
    } finally {
      this.#idle.push(engine)
    }
  }

  /** Fails unless an engine process answers. */
  async check(signal: AbortSignal): Promise<void> {
    if (this.#engines.length === 0) this.#idle.push(this.#add())
    await Promise.any(this.#engines.map((engine) => engine.ping(signal)))
  }

  /** Ends the engine processes. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#engines.map((engine) => engine[Symbol.asyncDispose]()))
  }

  #add(): EngineProcess {
    const engine = new EngineProcess(this.#options)
    this.#engines.push(engine)
    return engine
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
