import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import { logSumExp, maximum } from './log-softmax.ts'

/** Forbids tokens by setting their logits to −∞. */
export interface LogitFilter {
  /**
   * @param logits of one sequence, [nVocab], changed in place
   * @param sampled what the sequence has sampled so far, without its prompt
   */
  apply(logits: Float32Array, sampled: readonly number[]): void
}

const FORBIDDEN = Number.NEGATIVE_INFINITY

/** Nothing blank at the beginning: neither " " nor the end of the text. */
export class SuppressBlank implements LogitFilter {
  readonly #blank: readonly number[]

  constructor(tokenizer: Tokenizer) {
    this.#blank = [...tokenizer.encode(' '), tokenizer.eot]
  }

  apply(logits: Float32Array, sampled: readonly number[]): void {
    if (sampled.length === 0) for (const token of this.#blank) logits[token] = FORBIDDEN
  }
}

export class SuppressTokens implements LogitFilter {
  readonly #tokens: readonly number[]

  constructor(tokens: readonly number[]) {
    this.#tokens = tokens
  }

  apply(logits: Float32Array): void {
    for (const token of this.#tokens) logits[token] = FORBIDDEN
  }
}

/**
 * Timestamps come in pairs except before the end, never go back, leave no segment empty, and one comes first; when they are
 * together more probable than any text token, one comes next.
 */
export class ApplyTimestampRules implements LogitFilter {
  readonly #tokenizer: Tokenizer
  readonly #maxInitialIndex: number | null

  /** @param maxInitialIndex highest first timestamp, in steps of 0.02 s; null: any */
  constructor(tokenizer: Tokenizer, maxInitialIndex: number | null) {
    this.#tokenizer = tokenizer
    this.#maxInitialIndex = maxInitialIndex
  }

  apply(logits: Float32Array, sampled: readonly number[]): void {
    const { eot, noTimestamps, timestampBegin } = this.#tokenizer
    const isTimestamp = (token: number | undefined): boolean => token !== undefined && token >= timestampBegin
    logits[noTimestamps] = FORBIDDEN

    const lastWasTimestamp = isTimestamp(sampled.at(-1))
    const isPair = lastWasTimestamp && (sampled.length < 2 || isTimestamp(sampled.at(-2)))
    if (isPair) logits.fill(FORBIDDEN, timestampBegin)
    else if (lastWasTimestamp) logits.fill(FORBIDDEN, 0, eot)

    const lastTimestamp = sampled.findLast(isTimestamp)
    if (lastTimestamp !== undefined) {
      // The second of a pair may repeat the first: the next segment begins where the last one ended.
      const earliest = lastWasTimestamp && !isPair ? lastTimestamp : lastTimestamp + 1
      logits.fill(FORBIDDEN, timestampBegin, earliest)
    }
    if (sampled.length === 0) {
      logits.fill(FORBIDDEN, 0, timestampBegin)
      if (this.#maxInitialIndex !== null) logits.fill(FORBIDDEN, timestampBegin + this.#maxInitialIndex + 1)
    }

    const ofTimestamps = logSumExp(logits, timestampBegin, logits.length)
    if (ofTimestamps > maximum(logits, 0, timestampBegin)) logits.fill(FORBIDDEN, 0, timestampBegin)
  }
}
