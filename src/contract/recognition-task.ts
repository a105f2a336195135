import type { ResumePoint } from './resume-point.ts'
import type { Passage } from './transcript.ts'

/** A model's parameters under their public names, all of them, as its family has validated them: plain JSON. */
export type ModelParameters = Readonly<Record<string, unknown>>

/** Encoders pad what they write: a recording of just the longest length that is allowed decodes to a little more. */
export const TOLERATED_PADDING_SECONDS = 0.5

/** What is to be recognised: a recording, whole. */
export interface RecognitionTask {
  /** The recording, a local file. */
  readonly audioPath: string
  readonly parameters: ModelParameters
  /** Longer recordings are refused; null: any length. */
  readonly maxAudioSeconds: number | null
  /** Whether it is short: it is not to wait until long ones are read. */
  readonly isExpress?: boolean
  /** Of the windows that were finished before it broke off, in their order. From the first one on that does not fit, they are left out. */
  readonly resumeFrom?: readonly ResumePoint[]
}

/** How far a task is: the audio is decoded first, then transcribed. */
export interface RecognitionProgress {
  readonly phase: 'decoding' | 'transcribing'
  readonly seconds: number
  /** Null while the audio is still being decoded; known with the last word of that, before the first window. */
  readonly totalSeconds: number | null
}

/** A stretch of a recording that is done. A family without windows has none. */
export interface FinishedWindow {
  /** How many were finished before it, those of earlier runs included. */
  readonly ordinal: number
  /** Seconds of the recording that are done with it, as progress tells them. */
  readonly seconds: number
  /** How long it was decoded, without what it waited for; absent: its family does not say. */
  readonly tookMs?: number
  readonly resumePoint: ResumePoint
  /**
   * What is now known of the transcript beyond what the windows before it have told, in the transcript's order: where windows are finished
   * in another one, segments wait for those before them. Empty where nothing is said.
   */
  readonly passage: Passage
}
