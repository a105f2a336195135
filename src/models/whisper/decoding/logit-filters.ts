import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import type { NextTokens } from './next-tokens.ts'

/** Forbids tokens that may not come next. */
export interface LogitFilter {
  /** @param sampled what the sequence has sampled so far, without its prompt */
  apply(next: NextTokens, sampled: readonly number[]): void
}

/** Nothing blank at the beginning: neither " " nor the end of the text. */
export class SuppressBlank implements LogitFilter {
  readonly #blank: readonly number[]

  constructor(tokenizer: Tokenizer) {
    this.#blank = [...tokenizer.encode(' '), tokenizer.eot]
  }

  apply(next: NextTokens, sampled: readonly number[]): void {
    if (sampled.length === 0) next.forbid(this.#blank)
  }
}

/**
 * Timestamps come in pairs except before the end, never go back, leave no segment empty, and one comes first; when they are
 * together more probable than any text token, one comes next. `<|notimestamps|>` is among the suppressed tokens where this applies.
 */
export class ApplyTimestampRules implements LogitFilter {
  readonly #tokenizer: Tokenizer
  readonly #maxInitialIndex: number | null

  /** @param maxInitialIndex highest first timestamp, in steps of 0.02 s; null: any */
  constructor(tokenizer: Tokenizer, maxInitialIndex: number | null) {
    this.#tokenizer = tokenizer
    this.#maxInitialIndex = maxInitialIndex
  }

  apply(next: NextTokens, sampled: readonly number[]): void {
    const { eot, timestampBegin } = this.#tokenizer
    const isTimestamp = (token: number | undefined): boolean => token !== undefined && token >= timestampBegin

    const lastWasTimestamp = isTimestamp(sampled.at(-1))
    const isPair = lastWasTimestamp && (sampled.length < 2 || isTimestamp(sampled.at(-2)))
    if (isPair) next.forbidTimestampsFrom(timestampBegin)
    else if (lastWasTimestamp) next.forbidTextBelow(eot)

    const lastTimestamp = sampled.findLast(isTimestamp)
    if (lastTimestamp !== undefined) {
      // The second of a pair may repeat the first: the next segment begins where the last one ended.
      next.forbidTimestampsBelow(lastWasTimestamp && !isPair ? lastTimestamp : lastTimestamp + 1)
    }
    if (sampled.length === 0) {
      next.forbidText()
      if (this.#maxInitialIndex !== null) next.forbidTimestampsFrom(timestampBegin + this.#maxInitialIndex + 1)
    }

    if (next.prefersTimestamp) next.forbidText()
  }
}
