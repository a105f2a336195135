import type { Logger } from 'pino'
import type { WeightsFetched } from '../contract/job-event.ts'
import type { FinishedWindow, RecognitionProgress, RecognitionTask } from '../contract/recognition-task.ts'
import type { Transcript } from '../contract/transcript.ts'
import type { EngineNeeds } from './engines/engine-places.ts'
import type { EnginePool, Held } from './engines/engine-pool.ts'

/** A recording to transcribe, by a model. A transcriber without windows takes no notice of where to resume. */
export interface TranscriptionTask extends RecognitionTask {
  /** `publisher/model`. */
  readonly model: string
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
  /** Is told how much of the weights is there while they are fetched, and that they are complete; never, where they need no fetching. */
  readonly onWeights?: (weights: WeightsFetched) => void
  /** Is told that the model is loaded, before the recording is read; never, where that is not known. */
  readonly onLoaded?: () => void
  /** Is told how many seconds of audio the model is expected to transcribe in a second, as soon as it is loaded; never, where that is not known. */
  readonly onExpectedSpeed?: (speed: number) => void
  /** Is told now and then how far it is; never, where that is not known. */
  readonly onProgress?: (progress: RecognitionProgress) => void
  /** Is given each window as soon as it is finished, in their order, before the transcript; none, where there are no windows. */
  readonly onWindow?: (window: FinishedWindow) => void
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
  transcribe(task: TranscriptionTask, control: TranscriptionControl): Promise<Transcript>

  /** Fails unless a task could be taken now. */
  check(signal: AbortSignal): Promise<void>
}
