import type { Logger } from 'pino'
import type { WhisperInput } from '../models/whisper-input.ts'
import type { Transcription } from '../whisper/result.ts'

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
}

export interface TranscriptionControl {
  readonly signal: AbortSignal
  /** The job's own. */
  readonly logger: Logger
}

/** What turns a recording into a transcript: this machine's engine, or another server. */
export interface Transcriber extends AsyncDisposable {
  /**
   * May be called again while it runs; how many run at the same time is the caller's choice. An error carries `code`, a message
   * for the user, and `retryable`.
   * @throws the signal's reason when it is aborted, at once or within a second
   */
  transcribe(task: TranscriptionTask, control: TranscriptionControl): Promise<Transcription>

  /** Fails unless a task could be taken now. */
  check(signal: AbortSignal): Promise<void>
}
