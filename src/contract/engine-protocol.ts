import type { Device } from './device.ts'
import type { ErrorCode } from './error-codes.ts'
import type { Precision } from './precision.ts'
import type { FinishedWindow, RecognitionProgress, RecognitionTask } from './recognition-task.ts'
import type { Transcript } from './transcript.ts'

/** What an engine process is: one model, and how it runs. */
export interface EngineSettings {
  /** With its weights, and the config that says which family it is of. */
  readonly modelFolder: string
  readonly precision: Precision
  readonly threads: number
  /** The CPU unless it is said. */
  readonly device?: Device
  /** What the model may take of the device's memory. */
  readonly deviceMemoryBytes?: number
  /** Tasks that run at the same time; their windows are decoded together. */
  readonly batch: number
  /** For the log-mel of recordings. */
  readonly temporaryFolder: string
  /** For quantised copies of weights. */
  readonly cacheFolder: string
}

/** From the worker to its engine process; `start` comes first. */
export type EngineRequest =
  | { readonly type: 'start'; readonly settings: EngineSettings }
  | { readonly type: 'recognise'; readonly id: number; readonly task: RecognitionTask }
  | { readonly type: 'abort'; readonly id: number }
  /** No further window is begun until `resume`. */
  | { readonly type: 'pause' }
  | { readonly type: 'resume' }

/** From the engine process to its worker. */
export type EngineReply =
  /** Its event loop turns, and no call of the device hangs; sent at intervals. */
  | { readonly type: 'alive' }
  /** The reading of recordings makes no progress: a native call hangs, and only the end of the process ends it. */
  | { readonly type: 'hung' }
  /** It is inside no window. */
  | { readonly type: 'paused' }
  /** The task's model is loaded; how many seconds of audio it is expected to transcribe in a second, null where that could not be told. */
  | { readonly type: 'loaded'; readonly id: number; readonly expectedSpeed: number | null }
  | { readonly type: 'progress'; readonly id: number; readonly progress: RecognitionProgress }
  /** Each finished window, in their order; all of them come before `done`. */
  | { readonly type: 'window'; readonly id: number; readonly window: FinishedWindow }
  | { readonly type: 'done'; readonly id: number; readonly transcript: Transcript }
  | { readonly type: 'aborted'; readonly id: number }
  | { readonly type: 'failed'; readonly id: number; readonly error: EngineFailure }

/** An error of the engine process, in a form that survives the way between processes. */
export interface EngineFailure {
  readonly code: ErrorCode
  readonly message: string
  /** For the log. */
  readonly stack: string
}
