import process from 'node:process'
import { openFeatures } from '../whisper/audio/features.ts'
import { EngineError } from '../whisper/errors.ts'
import { WhisperModel } from '../whisper/model.ts'
import { transcribe } from '../whisper/transcribe.ts'
import type { Transcription } from '../whisper/result.ts'
import type { EngineFailure, EngineProgress, EngineReply, EngineRequest, EngineTask } from './engine-protocol.ts'

/** Progress more often than this would only fill the channel. */
const PROGRESS_INTERVAL_MS = 100

/** The engine process's own side: answers its worker's requests until the worker goes. */
export function runEngine(options: { readonly threads: number; readonly temporaryFolder: string }): void {
  const engine = new Engine(options)
  let abort: AbortController | undefined

  process.on('message', (message) => {
    const request = message as EngineRequest
    switch (request.type) {
      case 'ping':
        reply({ type: 'pong', id: request.id })
        return
      case 'abort':
        abort?.abort()
        return
      case 'transcribe': {
        const controller = new AbortController()
        abort = controller
        void engine.transcribe(request.task, controller.signal).then(
          (transcription) => reply({ type: 'done', transcription }),
          (error: unknown) =>
            reply(controller.signal.aborted ? { type: 'aborted' } : { type: 'failed', error: failureOf(error) }),
        )
      }
    }
  })
  // The worker is gone, perhaps by a kill -9: nobody waits for what runs here.
  process.on('disconnect', () => process.exit(0))
}

class Engine {
  readonly #threads: number
  readonly #temporaryFolder: string
  #loaded: { readonly folder: string; readonly model: WhisperModel } | undefined

  constructor(options: { readonly threads: number; readonly temporaryFolder: string }) {
    this.#threads = options.threads
    this.#temporaryFolder = options.temporaryFolder
  }

  async transcribe(task: EngineTask, signal: AbortSignal): Promise<Transcription> {
    const model = await this.#model(task.modelFolder, signal)
    const report = throttled((progress: EngineProgress) => reply({ type: 'progress', progress }))
    await using features = await openFeatures(task.audioPath, {
      melBands: model.melBands,
      temporaryFolder: this.#temporaryFolder,
      maxSeconds: task.maxAudioSeconds,
      signal,
      onProgress: (seconds) => report({ phase: 'decoding', seconds, totalSeconds: null }),
    })
    return await transcribe(model, features, task.options, {
      signal,
      onProgress: ({ seconds, totalSeconds }) => report({ phase: 'transcribing', seconds, totalSeconds }),
    })
  }

  async #model(folder: string, signal: AbortSignal): Promise<WhisperModel> {
    if (this.#loaded?.folder === folder) return this.#loaded.model
    await this.#loaded?.model[Symbol.asyncDispose]()
    this.#loaded = undefined
    const model = await WhisperModel.load(folder, { threads: this.#threads, signal })
    this.#loaded = { folder, model }
    return model
  }
}

function reply(message: EngineReply): void {
  // Without a channel the worker has gone, and 'disconnect' ends this process.
  process.send?.(message, undefined, undefined, () => undefined)
}

function throttled<T>(call: (value: T) => void): (value: T) => void {
  let nextAt = 0
  return (value) => {
    const now = performance.now()
    if (now < nextAt) return
    nextAt = now + PROGRESS_INTERVAL_MS
    call(value)
  }
}

function failureOf(error: unknown): EngineFailure {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
  if (error instanceof EngineError) {
    return { code: error.code, message: error.message, retryable: error.retryable, stack }
  }
  return {
    code: 'engine.failed',
    message: 'The engine failed on this recording. The server’s log says why.',
    retryable: true,
    stack,
  }
}
