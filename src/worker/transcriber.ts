import type { Logger } from 'pino'
import type { WeightsFetched } from '../contract/job-event.ts'
import type { FinishedWindow, RecognitionProgress, RecognitionTask } from '../contract/recognition-task.ts'
import type { Transcript } from '../contract/transcript.ts'

/** A recording to transcribe, by a model. A transcriber without windows takes no notice of where to resume. */
export interface TranscriptionTask extends RecognitionTask {
  /** `publisher/model`. */
  readonly model: string
  /** Whether what ran it died before: it may have been the reason. */
  readonly isSuspect: boolean
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
  readonly onProgress?: (progress: RecognitionProgress) => void
  /** Is given each window as soon as it is finished, in their order, before the transcript; none, where there are no windows. */
  readonly onWindow?: (window: FinishedWindow) => void
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
  transcribe(task: TranscriptionTask, control: TranscriptionControl): Promise<Transcript>

  /** Fails unless a task could be taken now. */
  check(signal: AbortSignal): Promise<void>
}
