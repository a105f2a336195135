import type { Device } from './device.ts'
import type { ErrorCode } from './error-codes.ts'
import type { TranscribeOptions } from '../models/whisper/options.ts'
import type { Transcript } from './transcript.ts'
import type { WindowCheckpoint } from '../models/whisper/window-checkpoint.ts'
import type { Precision } from './precision.ts'

/** What an engine process is: one checkpoint, and how it runs. */
export interface EngineSettings {
  /** Folder of the checkpoint. */
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
  /** For quantised copies of checkpoints. */
  readonly cacheFolder: string
}

/** What the engine process is asked to transcribe. */
export interface EngineTask {
  /** The recording, a local file. */
  readonly audioPath: string
  readonly options: TranscribeOptions
  /** Longer recordings are refused; null: any length. */
  readonly maxAudioSeconds: number | null
  /** Whether it is short: it is not to wait until long ones are read. */
  readonly isExpress?: boolean
  /** Windows that were finished before it broke off, in their order. */
  readonly resumeFrom?: readonly WindowCheckpoint[]
}

/** How far a task is: the audio is decoded first, then transcribed. */
export interface EngineProgress {
  readonly phase: 'decoding' | 'transcribing'
  readonly seconds: number
  /** Null while the audio is still being decoded; known with the last word of that, before the first window. */
  readonly totalSeconds: number | null
}

/** From the worker to its engine process; `start` comes first. */
export type EngineRequest =
  | { readonly type: 'start'; readonly settings: EngineSettings }
  | { readonly type: 'transcribe'; readonly id: number; readonly task: EngineTask }
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
  | { readonly type: 'progress'; readonly id: number; readonly progress: EngineProgress }
  /** Each finished window, in their order; all of them come before `done`. */
  | { readonly type: 'window'; readonly id: number; readonly checkpoint: WindowCheckpoint }
  | { readonly type: 'done'; readonly id: number; readonly transcription: Transcript }
  | { readonly type: 'aborted'; readonly id: number }
  | { readonly type: 'failed'; readonly id: number; readonly error: EngineFailure }

/** An error of the engine process, in a form that survives the way between processes. */
export interface EngineFailure {
  readonly code: ErrorCode
  readonly message: string
  /** For the log. */
  readonly stack: string
}
