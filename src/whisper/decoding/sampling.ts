import { argmax, logSumExp, maximum } from './log-softmax.ts'
import { EMPTY_SEQUENCE } from './sequence.ts'
import type { Sequence, Step, TokenDecoder } from './sequence.ts'

/** A source of numbers in [0, 1). */
export type Random = () => number

/** At temperature 0 the most probable token, the lower id among equals; above it, independent samples. */
export class SamplingDecoder implements TokenDecoder {
  readonly count: number
  sequences: readonly Sequence[]
  readonly #isDone: boolean[]
  readonly #temperature: number
  readonly #eot: number
  readonly #random: Random

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
  }

  update(logits: readonly Float32Array[]): Step {
    const tokens = logits.map((row, index) => (this.#isDone[index] === true ? this.#eot : this.#choose(row)))
    this.sequences = this.sequences.map((sequence, index) =>
      this.#extend(sequence, logits[index]!, tokens[index]!, index),
    )
    for (const [index, token] of tokens.entries()) if (token === this.#eot) this.#isDone[index] = true
    return { tokens, parents: [...tokens.keys()], isComplete: this.#isDone.every(Boolean) }
  }

  finalize(): readonly Sequence[] {
    return this.sequences
  }

  #extend(sequence: Sequence, logits: Float32Array, token: number, index: number): Sequence {
    if (this.#isDone[index] === true) return sequence
    const sumLogprob = sequence.sumLogprob + logits[token]! - logSumExp(logits, 0, logits.length)
    return { sampled: token === this.#eot ? sequence.sampled : [...sequence.sampled, token], sumLogprob }
  }

  #choose(logits: Float32Array): number {
    return this.#temperature === 0 ? argmax(logits) : sample(logits, this.#temperature, this.#random)
  }
}

/** A token drawn from softmax(logits / temperature). */
export function sample(logits: Float32Array, temperature: number, random: Random): number {
  const highest = maximum(logits, 0, logits.length)
  let total = 0
  for (const logit of logits) total += Math.exp((logit - highest) / temperature)
  let rest = random() * total
  let last = 0
  for (let token = 0; token < logits.length; token++) {
    const weight = Math.exp((logits[token]! - highest) / temperature)
    if (weight === 0) continue
    last = token
    rest -= weight
    if (rest < 0) return token
  }
  return last
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
