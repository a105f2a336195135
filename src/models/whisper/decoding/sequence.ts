import type { NextTokens } from './next-tokens.ts'

/** A sequence as it grows. */
export interface Sequence {
  /** What was sampled so far, without the prompt and the end of text. */
  readonly sampled: readonly number[]
  /** Sum of the log-probabilities of what was sampled, the end of text included. */
  readonly sumLogprob: number
}

export const EMPTY_SEQUENCE: Sequence = { sampled: [], sumLogprob: 0 }

/** What a step leads to: the tokens that each sequence reads next, and which sequence each goes on from. */
export interface Step {
  readonly tokens: readonly number[]
  readonly parents: readonly number[]
  readonly isComplete: boolean
}

/** Chooses the next tokens of the sequences of one window: the reference's `TokenDecoder`. */
export interface TokenDecoder {
  /** Sequences that are decoded side by side. */
  readonly count: number
  /** Most probable tokens that it asks for, for each sequence. */
  readonly proposals: number
  /** The sequences as they are, for the filters. */
  readonly sequences: readonly Sequence[]
  /** @param next filtered, for each sequence */
  update(next: readonly NextTokens[]): Step
  /** The candidates, with at least one. */
  finalize(): readonly Sequence[]
}
