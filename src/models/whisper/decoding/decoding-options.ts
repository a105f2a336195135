import type { Task } from '../tokenizer/tokenizer.ts'

/** How one window is decoded; names and meaning are the reference's (`DecodingOptions`). */
export interface DecodingOptions {
  readonly task: Task
  /** Code of a language that the checkpoint knows. */
  readonly language: string
  /** Token ids of the text so far. */
  readonly prompt: readonly number[]
  /** Token ids that the transcript goes on from; they are not part of it. */
  readonly prefix: readonly number[]
  /** Token ids, −1 for the non-speech symbols; empty: none, not even the special tokens. */
  readonly suppressTokens: readonly number[]
  /** Whether it may not begin with a blank or end at once. */
  readonly suppressBlank: boolean
  readonly withoutTimestamps: boolean
  /** Seconds that the first timestamp is at most; null or 0: any. */
  readonly maxInitialTimestamp: number | null
  /** Tokens to sample at most; null: half the context. */
  readonly sampleLength: number | null
  readonly temperature: number
  /** Beams at temperature 0; null: greedy. */
  readonly beamSize: number | null
  /** Of the beam search; null: 1. */
  readonly patience: number | null
  /** Samples above temperature 0; null: one. */
  readonly bestOf: number | null
  readonly lengthPenalty: number | null
  /** Of the samples above temperature 0, together with `seek`, so that no two windows draw the same numbers. */
  readonly seed: number
  /** Where the window begins, in frames. */
  readonly seek: number
}
