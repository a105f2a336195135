import type { Sequence } from './sequence.ts'

/**
 * The most probable candidate for its length.
 * @param lengthPenalty α of ((5 + length) / 6)^α (Wu et al., arXiv:1609.08144); null: the length itself
 */
export function bestSequence(candidates: readonly Sequence[], lengthPenalty: number | null): Sequence {
  const score = ({ sampled, sumLogprob }: Sequence): number =>
    sumLogprob / (lengthPenalty === null ? sampled.length : ((5 + sampled.length) / 6) ** lengthPenalty)
  const [first, ...rest] = candidates
  if (first === undefined) throw new RangeError('there is no candidate')
  return rest.reduce((best, candidate) => (score(candidate) > score(best) ? candidate : best), first)
}
