import type { NextTokens } from './next-tokens.ts'
import { EMPTY_SEQUENCE } from './sequence.ts'
import type { Sequence, Step, TokenDecoder } from './sequence.ts'

interface Choice {
  readonly token: number
  /** At temperature 1. */
  readonly logprob: number
}

/** A source of numbers in [0, 1). */
export type Random = () => number

/** At temperature 0 the most probable token, the lower id among equals; above it, independent samples. */
export class SamplingDecoder implements TokenDecoder {
  readonly count: number
  readonly proposals = 1
  sequences: readonly Sequence[]
  readonly #isDone: boolean[]
  readonly #temperature: number
  readonly #eot: number
  readonly #random: Random
  /** What a sequence that has ended goes on with. */
  readonly #nothing: Choice

  constructor(options: {
    readonly count: number
    readonly temperature: number
    readonly eot: number
    readonly random: Random
  }) {
    this.count = options.count
    this.sequences = Array<Sequence>(options.count).fill(EMPTY_SEQUENCE)
    this.#isDone = Array<boolean>(options.count).fill(false)
    this.#temperature = options.temperature
    this.#eot = options.eot
    this.#random = options.random
    this.#nothing = { token: options.eot, logprob: 0 }
  }

  update(next: readonly NextTokens[]): Step {
    const choices = next.map((row, index) => (this.#isDone[index] === true ? this.#nothing : this.#choose(row)))
    this.sequences = this.sequences.map(({ sampled, sumLogprob }, index) => {
      const { token, logprob } = choices[index]!
      return { sampled: token === this.#eot ? sampled : [...sampled, token], sumLogprob: sumLogprob + logprob }
    })
    const tokens = choices.map(({ token }) => token)
    for (const [index, token] of tokens.entries()) if (token === this.#eot) this.#isDone[index] = true
    return { tokens, parents: [...tokens.keys()], isComplete: this.#isDone.every(Boolean) }
  }

  finalize(): readonly Sequence[] {
    return this.sequences
  }

  #choose(next: NextTokens): Choice {
    if (this.#temperature === 0) {
      const { tokens, logprobs } = next.top(1)
      return { token: tokens[0]!, logprob: logprobs[0]! }
    }
    const token = next.sample(this.#temperature, this.#random())
    return { token, logprob: next.logprob(token) }
  }
}

/**
 * Mulberry32 (T. Ettinger, 2017): small, and the same everywhere, so that a seed gives the same text again.
 * @param stream number of one of the many sequences of a seed
 */
export function seededRandom(seed: number, stream: number): Random {
  let state = (seed ^ Math.imul(stream, 0x9e37_79b1)) >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
