import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import { TOLERATED_PADDING_SECONDS } from '../../contract/recognition-task.ts'
import type { Transcript } from '../../contract/transcript.ts'
import type { Family } from '../../models/family.ts'
import type { Transcriber, TranscriptionControl, TranscriptionTask } from '../transcriber.ts'
import { transcriptOf } from './answer.ts'
import { OpenAiClient } from './client.ts'
import type { OpenAiClientOptions } from './client.ts'
import { RemoteError } from './errors.ts'
import type { RemoteErrorCode } from './errors.ts'
import { honouredOf } from './honoured.ts'
import type { Honoured } from './honoured.ts'
import { uploadForm } from './upload-form.ts'

/** With pauses of 1, 2, 4, 8 and 16 s; a job has three attempts of this, in which a server has restarted. */
const MAX_TRIES = 6
const FIRST_PAUSE_MS = 1000

/** What may have passed in seconds. A server that took all the time there is would only take it again: that is the job's to retry. */
const PASSING: ReadonlySet<RemoteErrorCode> = new Set(['engine.unreachable', 'engine.unavailable'])

export interface OpenAiTranscriberOptions extends OpenAiClientOptions {
  /** What the server calls the model that it shall run for every task; null: as Sotto calls it. */
  readonly model: string | null
  /** Of a model, by its id here: says what its parameters mean. */
  readonly familyOf: (model: string) => Promise<Family>
  readonly firstPauseMs?: number
}

/** A transcriber that is another server, which speaks OpenAI's API: vLLM, speaches and others. */
export class OpenAiTranscriber implements Transcriber {
  readonly decodesHere = false
  readonly #client: OpenAiClient
  readonly #model: string | null
  readonly #familyOf: (model: string) => Promise<Family>
  readonly #firstPauseMs: number

  constructor({ model, familyOf, firstPauseMs = FIRST_PAUSE_MS, ...options }: OpenAiTranscriberOptions) {
    this.#client = new OpenAiClient(options)
    this.#model = model
    this.#familyOf = familyOf
    this.#firstPauseMs = firstPauseMs
  }

  async transcribe(task: TranscriptionTask, control: TranscriptionControl): Promise<Transcript> {
    const { maxAudioSeconds } = task
    const family = await this.#familyOf(task.model)
    const asked = honouredOf(task.parameters, family)
    const transcript = transcriptOf(await this.#ask(task, asked, control), asked, family)
    if (maxAudioSeconds !== null && transcript.duration > maxAudioSeconds + TOLERATED_PADDING_SECONDS) {
      throw new RemoteError('audio.too_long', `The recording is longer than ${maxAudioSeconds} s.`)
    }
    return transcript
  }

  async check(signal: AbortSignal): Promise<void> {
    await this.#client.check(signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]()
  }

  async #ask(
    { model, audioPath }: TranscriptionTask,
    asked: Honoured,
    control: TranscriptionControl,
  ): Promise<unknown> {
    const { signal, logger } = control
    const path = asked.task === 'translate' ? '/audio/translations' : '/audio/transcriptions'
    for (let tries = 1; ; tries++) {
      signal.throwIfAborted()
      try {
        return await this.#client.post(path, await uploadForm(audioPath, this.#model ?? model, asked), signal)
      } catch (error) {
        signal.throwIfAborted()
        if (!(error instanceof RemoteError) || !PASSING.has(error.code) || tries >= MAX_TRIES) throw error
        await this.#pause(error, tries, signal, logger)
      }
    }
  }

  async #pause(error: RemoteError, tries: number, signal: AbortSignal, logger: Logger): Promise<void> {
    const backOffMs = this.#firstPauseMs * 2 ** (tries - 1) * (0.5 + Math.random())
    const pauseMs = Math.round(error.retryAfterMs ?? backOffMs)
    logger.warn({ err: error, code: error.code, tries, pauseMs }, 'the transcription server is asked again')
    try {
      await delay(pauseMs, undefined, { signal })
    } catch {
      signal.throwIfAborted()
    }
  }
}
