import process from 'node:process'
import { CodedError } from '../contract/coded-error.ts'
import type { EngineFailure, EngineReply, EngineRequest, EngineSettings } from '../contract/engine-protocol.ts'
import type { RecognitionTask } from '../contract/recognition-task.ts'
import type { Transcript } from '../contract/transcript.ts'
import type { FeatureOptions, Recogniser } from '../models/family.ts'
import { familyIn } from '../models/index.ts'
import type { AudioFeatures } from '../speech/audio/features.ts'
import { ThreadedFeatures } from '../speech/audio/threaded-features.ts'
import type { ThreadedFeaturesOptions } from '../speech/audio/threaded-features.ts'
import { nativeCalls } from '../speech/inference/native-calls.ts'
import { Gate } from './gate.ts'

/** Progress more often than this would only fill the channel. */
const PROGRESS_INTERVAL_MS = 100
const ALIVE_INTERVAL_MS = 500
/** For a failure to reach the worker before the process ends. */
const LAST_WORDS_MS = 100

/**
 * The engine process's own side: answers its worker's requests until the worker goes.
 * @param audio how recordings are read, where it is not as usual
 */
export function runEngine(audio: ThreadedFeaturesOptions = {}): void {
  let engine: Engine | undefined
  process.on('message', (message) => {
    const request = message as EngineRequest
    if (request.type === 'start') engine = new Engine(request.settings, audio)
    else engine?.receive(request)
  })
  reply({ type: 'alive' })
  setInterval(() => {
    if (nativeCalls.advance()) reply({ type: 'alive' })
  }, ALIVE_INTERVAL_MS)
  // The worker is gone, perhaps by a kill -9: nobody waits for what runs here. A plain exit would take apart what ONNX Runtime's threads
  // still work with, which ends in an abort and its core dump.
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
}

class Engine {
  readonly #settings: EngineSettings
  readonly #features: ThreadedFeatures
  readonly #gate = new Gate(() => reply({ type: 'paused' }))
  readonly #running = new Map<number, AbortController>()
  #loaded: Promise<Recogniser> | undefined

  constructor(settings: EngineSettings, audio: ThreadedFeaturesOptions) {
    this.#settings = settings
    this.#features = new ThreadedFeatures({ ...audio, onHang: () => reply({ type: 'hung' }) })
  }

  receive(request: Exclude<EngineRequest, { type: 'start' }>): void {
    switch (request.type) {
      case 'recognise':
        void this.#run(request.id, request.task)
        return
      case 'abort':
        this.#running.get(request.id)?.abort()
        return
      case 'pause':
        this.#gate.close()
        return
      case 'resume':
        this.#gate.open()
    }
  }

  async #run(id: number, task: RecognitionTask): Promise<void> {
    const controller = new AbortController()
    this.#running.set(id, controller)
    try {
      const transcript = await this.#recognise(id, task, controller.signal)
      reply({ type: 'done', id, transcript })
    } catch (error) {
      reply(controller.signal.aborted ? { type: 'aborted', id } : { type: 'failed', id, error: failureOf(error) })
      if (this.#mayHaveLostDevice(error)) setTimeout(() => process.exit(1), LAST_WORDS_MS)
    } finally {
      this.#running.delete(id)
    }
  }

  async #recognise(id: number, task: RecognitionTask, signal: AbortSignal): Promise<Transcript> {
    const recogniser = await this.#load()
    reply({ type: 'loaded', id, expectedSpeed: recogniser.expectedSpeed })
    const report = throttled(PROGRESS_INTERVAL_MS)
    return await recogniser.recognise(task, {
      signal,
      openFeatures: (options) => this.#openFeatures(id, task, options, signal),
      enterWindow: () => this.#gate.enter(),
      onProgress: ({ seconds, totalSeconds }) =>
        report(() => reply({ type: 'progress', id, progress: { phase: 'transcribing', seconds, totalSeconds } })),
      onWindow: (window) => reply({ type: 'window', id, window }),
    })
  }

  async #openFeatures(
    id: number,
    { audioPath, maxAudioSeconds: maxSeconds, isExpress = false }: RecognitionTask,
    options: FeatureOptions,
    signal: AbortSignal,
  ): Promise<AudioFeatures> {
    const report = throttled(PROGRESS_INTERVAL_MS)
    const { temporaryFolder } = this.#settings
    const features = await this.#features.open(audioPath, {
      ...options,
      ...{ temporaryFolder, maxSeconds, isExpress, signal },
      onProgress: (seconds) =>
        report(() => reply({ type: 'progress', id, progress: { phase: 'decoding', seconds, totalSeconds: null } })),
    })
    const { durationSeconds } = features
    const decoded = { phase: 'decoding', seconds: durationSeconds, totalSeconds: durationSeconds } as const
    reply({ type: 'progress', id, progress: decoded })
    return features
  }

  /** A GPU that was reset does not come back within a process. */
  #mayHaveLostDevice(error: unknown): boolean {
    const { device } = this.#settings
    const isForeseen = error instanceof Error && 'code' in error
    return device !== undefined && device.name !== 'cpu' && !isForeseen
  }

  /** Once for all tasks, and again when it has failed. */
  async #load(): Promise<Recogniser> {
    this.#loaded ??= load(this.#settings)
    try {
      return await this.#loaded
    } catch (error) {
      this.#loaded = undefined
      throw error
    }
  }
}

async function load(settings: EngineSettings): Promise<Recogniser> {
  return await (await familyIn(settings.modelFolder)).load(settings)
}

function reply(message: EngineReply): void {
  // Without a channel the worker has gone, and 'disconnect' ends this process.
  process.send?.(message, undefined, undefined, () => undefined)
}

function throttled(intervalMs: number): (call: () => void) => void {
  let nextAt = 0
  return (call) => {
    const now = performance.now()
    if (now < nextAt) return
    nextAt = now + intervalMs
    call()
  }
}

function failureOf(error: unknown): EngineFailure {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
  if (error instanceof CodedError) {
    return { code: error.code, message: error.message, stack }
  }
  return {
    code: 'engine.failed',
    message: 'The engine failed on this recording. The server’s log says why.',
    stack,
  }
}
