import type { Logger } from 'pino'
import type { WhisperInput } from '../models/whisper/parameters.ts'
import type { Transcription } from '../models/whisper/result.ts'
import type { WindowCheckpoint } from '../models/whisper/window-checkpoint.ts'
import type { EngineProgress } from '../contract/engine-protocol.ts'
import type { EngineNeeds } from './engine-places.ts'
import type { EnginePool, Held } from './engine-pool.ts'

/** A recording to transcribe, whole. */
export interface TranscriptionTask {
  /** `publisher/model`. */
  readonly model: string
  /** A local file. */
  readonly audioPath: string
  readonly input: WhisperInput
  /** Longer recordings are refused; null: any length. */
  readonly maxAudioSeconds: number | null
  /** Whether it is short: it is not to wait behind long ones. */
  readonly isExpress: boolean
  /** Windows that were finished before it broke off, in their order; a transcriber without windows takes no notice. */
  readonly resumeFrom?: readonly WindowCheckpoint[]
  /**
   * Its place in an engine, from its admission; to be asked for when the weights are here. Nothing is waited for but the estimate of what
   * weights take that had to be fetched.
   * @throws Stopped `no-room` when they were fetched and nothing is free for them now
   */
  readonly engine?: (() => Promise<Held>) | undefined
}

export interface TranscriptionControl {
  readonly signal: AbortSignal
  /** The job's own. */
  readonly logger: Logger
  /** Is told how many seconds of audio the model is expected to transcribe in a second, as soon as it is loaded; never, where that is not known. */
  readonly onExpectedSpeed?: (speed: number) => void
  /** Is told now and then how far it is; never, where that is not known. */
  readonly onProgress?: (progress: EngineProgress) => void
  /** Is given each window as soon as it is finished, in their order, before the transcript; none, where there are no windows. */
  readonly onWindow?: (checkpoint: WindowCheckpoint) => void
}

/** The engines of a transcriber that runs them on this machine, among which its scheduler divides memory and places. */
export interface LocalEngines {
  readonly pool: EnginePool
  /**
   * What a model takes; undefined: its weights are not here.
   * @throws what a job of it is to fail with
   */
  needsOf(model: string): Promise<EngineNeeds | undefined>
}

/** What turns a recording into a transcript: this machine's engine, or another server. */
export interface Transcriber extends AsyncDisposable {
  /** Whether it decodes here: it refuses what is too long, and says how long a recording is, before it begins the first window. */
  readonly decodesHere: boolean
  /** Absent: its tasks share nothing here, and it takes whatever comes. */
  readonly engines?: LocalEngines

  /**
   * May be called again while it runs; how many run at the same time is the caller's choice. An error carries `code`, a message
   * for the user, and `retryable`.
   * @throws the signal's reason when it is aborted, at once or within a second
   */
  transcribe(task: TranscriptionTask, control: TranscriptionControl): Promise<Transcription>

  /** Fails unless a task could be taken now. */
  check(signal: AbortSignal): Promise<void>
}
