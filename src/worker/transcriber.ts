import type { Logger } from 'pino'
import type { WhisperInput } from '../models/whisper/parameters.ts'
import type { Transcription } from '../models/whisper/result.ts'
import type { WindowCheckpoint } from '../models/whisper/window-checkpoint.ts'
import type { WeightsFetched } from '../contract/job-event.ts'
import type { EngineProgress } from '../contract/engine-protocol.ts'

/** A recording to transcribe, whole. */
export interface TranscriptionTask {
  /** `publisher/model`. */
  readonly model: string
  /** A local file. */
  readonly audioPath: string
  readonly input: WhisperInput
  /** Longer recordings are refused; null: any length. */
  readonly maxAudioSeconds: number | null
  /** Whether what ran it died before: it may have been the reason. */
  readonly isSuspect: boolean
  /** Whether it is short: it is not to wait behind long ones. */
  readonly isExpress: boolean
  /** Windows that were finished before it broke off, in their order; a transcriber without windows takes no notice. */
  readonly resumeFrom?: readonly WindowCheckpoint[]
}

export interface TranscriptionControl {
  readonly signal: AbortSignal
  /** The job's own. */
  readonly logger: Logger
  /** Is told how much of the weights is there while they are fetched, and that they are complete; never, where they need no fetching. */
  readonly onWeights?: (weights: WeightsFetched) => void
  /** Is told how many seconds of audio the model is expected to transcribe in a second, as soon as it is loaded; never, where that is not known. */
  readonly onExpectedSpeed?: (speed: number) => void
  /** Is told now and then how far it is; never, where that is not known. */
  readonly onProgress?: (progress: EngineProgress) => void
  /** Is given each window as soon as it is finished, in their order, before the transcript; none, where there are no windows. */
  readonly onWindow?: (checkpoint: WindowCheckpoint) => void
}

/** What turns a recording into a transcript: this machine's engine, or another server. */
export interface Transcriber extends AsyncDisposable {
  /** Whether it decodes here: it refuses what is too long, and says how long a recording is, before it begins the first window. */
  readonly decodesHere: boolean

  /**
   * May be called again while it runs; how many run at the same time is the caller's choice. An error carries `code`, a message
   * for the user, and `retryable`.
   * @throws the signal's reason when it is aborted, at once or within a second
   */
  transcribe(task: TranscriptionTask, control: TranscriptionControl): Promise<Transcription>

  /** Fails unless a task could be taken now. */
  check(signal: AbortSignal): Promise<void>
}
