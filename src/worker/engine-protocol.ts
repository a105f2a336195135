import type { TranscribeOptions } from '../whisper/options.ts'
import type { Transcription } from '../whisper/result.ts'

/** What the engine process is asked to transcribe. */
export interface EngineTask {
  /** Folder of the checkpoint. */
  readonly modelFolder: string
  /** The recording, a local file. */
  readonly audioPath: string
  readonly options: TranscribeOptions
  /** Longer recordings are refused; null: any length. */
  readonly maxAudioSeconds: number | null
}

/** How far a task is: the audio is decoded first, then transcribed. */
export interface EngineProgress {
  readonly phase: 'decoding' | 'transcribing'
  readonly seconds: number
  /** Null while the audio is still being decoded. */
  readonly totalSeconds: number | null
}

/** From the worker to its engine process. One task at a time. */
export type EngineRequest =
  | { readonly type: 'transcribe'; readonly task: EngineTask }
  | { readonly type: 'abort' }
  | { readonly type: 'ping'; readonly id: number }

/** From the engine process to its worker. */
export type EngineReply =
  | { readonly type: 'pong'; readonly id: number }
  | { readonly type: 'progress'; readonly progress: EngineProgress }
  | { readonly type: 'done'; readonly transcription: Transcription }
  | { readonly type: 'aborted' }
  | { readonly type: 'failed'; readonly error: EngineFailure }

/** An error of the engine process, in a form that survives the way between processes. */
export interface EngineFailure {
  readonly code: string
  readonly message: string
  readonly retryable: boolean
  /** For the log. */
  readonly stack: string
}
