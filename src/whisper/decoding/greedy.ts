import { argmax, logSumExp } from './log-softmax.ts'

/** A sequence as it grows. */
export interface Sequence {
  /** What was sampled so far, without the prompt and the end of text. */
  readonly sampled: readonly number[]
  /** Sum of the log-probabilities of what was sampled, the end of text included. */
  readonly sumLogprob: number
  readonly isComplete: boolean
}

export const EMPTY_SEQUENCE: Sequence = { sampled: [], sumLogprob: 0, isComplete: false }

/** Appends the most probable token; the lower id among equals. */
export function extendGreedily(sequence: Sequence, logits: Float32Array, eot: number): Sequence {
  const token = argmax(logits)
  const logprob = logits[token]! - logSumExp(logits, 0, logits.length)
  return {
    sampled: token === eot ? sequence.sampled : [...sequence.sampled, token],
    sumLogprob: sequence.sumLogprob + logprob,
    isComplete: token === eot,
  }
}
