import { roundHalfEven } from '../rounding.ts'
import { logSumExp } from './log-softmax.ts'
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
  sequences: readonly Sequence[]
  readonly #eot: number
  readonly #maxFinished: number
  readonly #finished = new Map<string, Sequence>()

  constructor(options: { readonly beams: number; readonly patience: number; readonly eot: number }) {
    this.count = options.beams
    this.sequences = Array<Sequence>(options.beams).fill(EMPTY_SEQUENCE)
    this.#eot = options.eot
    this.#maxFinished = roundHalfEven(options.beams * options.patience)
  }

  update(logits: readonly Float32Array[]): Step {
    const beams: Candidate[] = []
    const ended: Candidate[] = []
    for (const candidate of this.#candidates(logits)) {
      if (candidate.token === this.#eot) ended.push(candidate)
      else if (beams.push(candidate) === this.count) break
    }
    for (const { sampled, sumLogprob } of ended) {
      if (this.#finished.size >= this.#maxFinished) break
      this.#finished.set(sampled.join(), { sampled, sumLogprob })
    }
    this.sequences = beams
    return {
      tokens: beams.map(({ token }) => token),
      parents: beams.map(({ parent }) => parent),
      isComplete: this.#finished.size >= this.#maxFinished,
    }
  }

  /** When too few have ended, the best of the others stand in as if they had. */
  finalize(): readonly Sequence[] {
    const finished = new Map(this.#finished)
    for (const sequence of this.sequences.toSorted((one, other) => other.sumLogprob - one.sumLogprob)) {
      if (finished.size >= this.count) break
      finished.set(sequence.sampled.join(), sequence)
    }
    return [...finished.values()]
  }

  /** The proposals of all beams, one for each sequence, the most probable first; sums in float32, as the reference adds them. */
  #candidates(logits: readonly Float32Array[]): readonly Candidate[] {
    const candidates = new Map<string, Candidate>()
    for (const [parent, { sampled, sumLogprob }] of this.sequences.entries()) {
      const row = logits[parent]!
      const total = logSumExp(row, 0, row.length)
      for (const token of topTokens(row, this.count + 1)) {
        const sum = Math.fround(sumLogprob + Math.fround(row[token]! - total))
        const longer = token === this.#eot ? sampled : [...sampled, token]
        candidates.set(`${sampled.join()},${token}`, { token, parent, sampled: longer, sumLogprob: sum })
      }
    }
    return [...candidates.values()].toSorted((one, other) => other.sumLogprob - one.sumLogprob)
  }
}

/** The `count` most probable tokens, the most probable first, the lower id among equals. */
export function topTokens(logits: Float32Array, count: number): readonly number[] {
  const top: number[] = []
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token]!
    if (top.length === count && logit <= logits[top[count - 1]!]!) continue
    let at = top.length
    while (at > 0 && logits[top[at - 1]!]! < logit) at -= 1
    top.splice(at, 0, token)
    if (top.length > count) top.pop()
  }
  return top
}
