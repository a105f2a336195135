import { roundHalfEven } from '../rounding.ts'
import type { NextTokens } from './next-tokens.ts'
import { EMPTY_SEQUENCE } from './sequence.ts'
import type { Sequence, Step, TokenDecoder } from './sequence.ts'

interface Candidate extends Sequence {
  readonly token: number
  readonly parent: number
}

/**
 * Beam search with patience (Kasai et al., "A Call for Clarity in Beam Search", arXiv:2204.05424), as the reference does it: each beam
 * proposes its beams + 1 best tokens; the best proposals that go on become the next beams; those that end before the last of these
 * is found are kept, up to round(beams · patience) of them.
 */
export class BeamSearchDecoder implements TokenDecoder {
  readonly count: number
  readonly proposals: number
  sequences: readonly Sequence[]
  readonly #eot: number
  readonly #maxFinished: number
  readonly #finished: Sequence[] = []

  constructor(options: { readonly beams: number; readonly patience: number; readonly eot: number }) {
    this.count = options.beams
    this.proposals = options.beams + 1
    this.sequences = Array<Sequence>(options.beams).fill(EMPTY_SEQUENCE)
    this.#eot = options.eot
    this.#maxFinished = roundHalfEven(options.beams * options.patience)
  }

  update(next: readonly NextTokens[]): Step {
    const beams: Candidate[] = []
    const ended: Candidate[] = []
    for (const candidate of this.#candidates(next)) {
      if (candidate.token === this.#eot) ended.push(candidate)
      else if (beams.push(candidate) === this.count) break
    }
    for (const { sampled, sumLogprob } of ended) {
      if (this.#finished.length < this.#maxFinished) this.#finished.push({ sampled, sumLogprob })
    }
    this.sequences = beams
    return {
      tokens: beams.map(({ token }) => token),
      parents: beams.map(({ parent }) => parent),
      isComplete: this.#finished.length >= this.#maxFinished,
    }
  }

  /** When too few have ended, the best of the others, which come first, stand in as if they had. */
  finalize(): readonly Sequence[] {
    const missing = Math.max(0, this.count - this.#finished.length)
    return [...this.#finished, ...this.sequences.slice(0, missing)]
  }

  /** The proposals of all beams, one for each sequence, the most probable first; sums in float32, as the reference adds them. */
  #candidates(next: readonly NextTokens[]): readonly Candidate[] {
    const candidates: Candidate[] = []
    for (const [parent, { sampled, sumLogprob }] of this.sequences.entries()) {
      // Beams are the same at the beginning only, and propose the same.
      if (parent > 0 && sampled === this.sequences[0]?.sampled) continue
      const { tokens, logprobs } = next[parent]!.top(this.proposals)
      for (const [index, token] of tokens.entries()) {
        const sum = Math.fround(sumLogprob + Math.fround(logprobs[index]!))
        const longer = token === this.#eot ? sampled : [...sampled, token]
        candidates.push({ token, parent, sampled: longer, sumLogprob: sum })
      }
    }
    return candidates.toSorted((one, other) => other.sumLogprob - one.sumLogprob)
  }
}
