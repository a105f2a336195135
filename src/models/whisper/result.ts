import type { AudioWarning } from '../../speech/audio/warnings.ts'
import type { QualityFlag } from '../../contract/transcript.ts'

/** A word and when it is said. */
export interface Word {
  /** With the blank before it and the punctuation around it. */
  readonly word: string
  /** Seconds from the beginning of the recording. */
  readonly start: number
  readonly end: number
  /** Mean probability of its tokens. */
  readonly probability: number
}

/** One segment, with the reference's names (`whisper.transcribe()`). */
export interface Segment {
  readonly id: number
  /** Where its window begins, in frames of 10 ms. */
  readonly seek: number
  /** Seconds from the beginning of the recording. */
  readonly start: number
  readonly end: number
  readonly text: string
  /** Token ids, timestamps included. */
  readonly tokens: number[]
  readonly temperature: number
  /** Sum of the log-probabilities / (tokens + 1), of the whole window. */
  readonly avg_logprob: number
  /** UTF-8 bytes / zlib bytes of the window's text. */
  readonly compression_ratio: number
  readonly no_speech_prob: number
  /** When they were asked for. */
  readonly words?: Word[]
  /** Why not to trust it; empty: no reason is known. */
  readonly quality: QualityFlag[]
}

export interface Transcription {
  readonly text: string
  /** Whisper's language code, `en`. */
  readonly language: string
  /** Seconds of audio. */
  readonly duration: number
  readonly segments: Segment[]
  /** What is wrong with the recording; left out when nothing is. */
  readonly warnings?: AudioWarning[]
}
