import type { Task } from './tokenizer/tokenizer.ts'

/** How a recording is transcribed: the parameters of the reference's `transcribe()`, with its meanings. */
export interface TranscribeOptions {
  readonly task: Task
  /** Among the file's audio tracks, from 0; null: the one that speaks. */
  readonly audioTrack: number | null
  /** Code of the language; null: detected over the first 30 s. */
  readonly language: string | null
  /** Tried one after the other until a window does not fail; at least one. */
  readonly temperatures: readonly number[]
  /** A window whose text compresses better than this has failed; null: off. */
  readonly compressionRatioThreshold: number | null
  /**
   * A window whose average log-probability is below this has failed, and one above it is no silence; null: off, and the probability
   * of silence alone decides.
   */
  readonly logprobThreshold: number | null
  /** Probability of silence above which a window is skipped; null: none is. */
  readonly noSpeechThreshold: number | null
  /** Whether the text so far prompts the next window. */
  readonly conditionOnPreviousText: boolean
  /** Text that prompts the first window; null: none. */
  readonly initialPrompt: string | null
  /** Whether the initial prompt comes before the text so far in every window. */
  readonly carryInitialPrompt: boolean
  /** Text that each window's transcript goes on from; null: none. */
  readonly prefix: string | null
  /** Token ids, −1 for the non-speech symbols; empty: none, not even the special tokens. */
  readonly suppressTokens: readonly number[]
  /** Whether a window may not begin with a blank or end at once. */
  readonly suppressBlank: boolean
  /** Whether text alone is sampled. */
  readonly withoutTimestamps: boolean
  /** Seconds that the first timestamp is at most; null or 0: any. */
  readonly maxInitialTimestamp: number | null
  /** Tokens that are sampled for a window at most; null: half the context. */
  readonly sampleLength: number | null
  /** Beams at temperature 0; null: greedy. */
  readonly beamSize: number | null
  /** Of the beam search; null: 1. */
  readonly patience: number | null
  /** Samples above temperature 0; null: one. */
  readonly bestOf: number | null
  /** α of the length penalty; null: division by the length. */
  readonly lengthPenalty: number | null
  /** Of the samples above temperature 0; the same seed gives the same transcript. */
  readonly seed: number
  /** Parts of the recording to transcribe: beginnings and ends in seconds, in turn; the last end may be left out. */
  readonly clipTimestamps: readonly number[]
  /** Null: without the times of words. */
  readonly words: WordOptions | null
}

export interface WordOptions {
  /** Punctuation that belongs to the word after it. */
  readonly prependPunctuations: string
  /** Punctuation that belongs to the word before it. */
  readonly appendPunctuations: string
  /** Seconds of silence around what looks made up from which on it is skipped; null: nothing is. */
  readonly hallucinationSilenceThreshold: number | null
}
