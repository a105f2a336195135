import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BeamSearchDecoder } from './beam-search.ts'
import { NextTokens } from './next-tokens.ts'
import { bestSequence } from './ranker.ts'
import type { Sequence } from './sequence.ts'

const EOT = 0
const VOCABULARY = 5

/** A model that knows the log-probabilities of the next token from the tokens so far, and nothing else. */
type Model = (sampled: readonly number[]) => Float32Array

/** Small enough for sines that differ. */
function hash(sampled: readonly number[]): number {
  return sampled.reduce((sum, token) => (31 * sum + token) % 9973, 1)
}

function modelOf(seed: number): Model {
  return (sampled) => {
    const scores = Array.from({ length: VOCABULARY }, (_, token) => 3 * Math.sin(seed + 7 * token + 13 * hash(sampled)))
    const total = Math.log(scores.reduce((sum, score) => sum + Math.exp(score), 0))
    return Float32Array.from(scores, (score) => score - total)
  }
}

/** The definition, with lists of all proposals sorted anew at each step. */
function slowBeamSearch(model: Model, beams: number, maxFinished: number, steps: number): readonly Sequence[] {
  let live: Sequence[] = [{ sampled: [], sumLogprob: 0 }]
  const finished: Sequence[] = []
  for (let step = 0; step < steps && finished.length < maxFinished; step++) {
    const proposals = live.flatMap((beam) => {
      const row = model(beam.sampled)
      const best = [...row.keys()].toSorted((one, other) => row[other]! - row[one]!).slice(0, beams + 1)
      return best.map((token) => ({ token, sampled: beam.sampled, sumLogprob: beam.sumLogprob + row[token]! }))
    })
    const sorted = proposals.toSorted((one, other) => other.sumLogprob - one.sumLogprob)
    const going = sorted.filter(({ token }) => token !== EOT).slice(0, beams)
    const last = going.at(-1)?.sumLogprob ?? Number.NEGATIVE_INFINITY
    const ended = sorted.filter(({ token, sumLogprob }) => token === EOT && sumLogprob > last)
    for (const { sampled, sumLogprob } of ended)
      if (finished.length < maxFinished) finished.push({ sampled, sumLogprob })
    live = going.map(({ token, sampled, sumLogprob }) => ({ sampled: [...sampled, token], sumLogprob }))
  }
  for (const beam of live) if (finished.length < beams) finished.push(beam)
  return finished
}

function search(model: Model, decoder: BeamSearchDecoder, steps: number): readonly Sequence[] {
  for (let step = 0; step < steps; step++) {
    if (
      decoder.update(
        decoder.sequences.map(({ sampled }) => new NextTokens(model(sampled), { timestampBegin: VOCABULARY })),
      ).isComplete
    )
      break
  }
  return decoder.finalize()
}

test('finds what the definition finds, with any number of beams and any patience', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1e6 }),
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom(1, 2, 3),
      (seed, beams, patience) => {
        const model = modelOf(seed)
        const found = search(model, new BeamSearchDecoder({ beams, patience, eot: EOT }), 12)
        const expected = slowBeamSearch(model, beams, beams * patience, 12)
        expect(found.map(({ sampled }) => sampled)).toEqual(expected.map(({ sampled }) => sampled))
        found.forEach(({ sumLogprob }, index) => expect(sumLogprob).toBeCloseTo(expected[index]!.sumLogprob, 4))
      },
    ),
    { numRuns: 300 },
  )
})

test('each beam goes on from its parent, with a sum in float32, as the reference adds', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const decoder = new BeamSearchDecoder({ beams: 3, patience: 1, eot: EOT })
    const model = modelOf(seed)
    for (let step = 0; step < 4; step++) {
      const before = decoder.sequences
      const next = before.map(({ sampled }) => new NextTokens(model(sampled), { timestampBegin: VOCABULARY }))
      const { tokens, parents } = decoder.update(next)
      for (const [index, { sampled, sumLogprob }] of decoder.sequences.entries()) {
        const [parent, token] = [parents[index]!, tokens[index]!]
        expect(sampled).toEqual([...before[parent]!.sampled, token])
        const proposed = next[parent]!.top(VOCABULARY)
        const logprob = Math.fround(proposed.logprobs[proposed.tokens.indexOf(token)]!)
        expect(sumLogprob).toBe(Math.fround(before[parent]!.sumLogprob + logprob))
      }
    }
  }
})

test('is complete when as many sequences have ended as patience asks for, and not before', () => {
  const decoder = new BeamSearchDecoder({ beams: 2, patience: 1.5, eot: EOT })
  /** The end is the most probable, so that one of each beam's proposals ends. */
  const next = (): NextTokens[] =>
    decoder.sequences.map(() => new NextTokens(Float32Array.of(3, 2, 1, 0), { timestampBegin: 4 }))
  expect(decoder.update(next()).isComplete).toBe(false)
  expect(decoder.update(next()).isComplete).toBe(true)
  expect(decoder.finalize()).toHaveLength(3)
  expect(new BeamSearchDecoder({ beams: 2, patience: 1, eot: EOT }).finalize()).toHaveLength(2)
})

test('the ranker takes the highest score, with and without a length penalty', () => {
  const short = { sampled: [1, 2], sumLogprob: -2 }
  const long = { sampled: [1, 2, 3, 4, 5, 6, 7, 8], sumLogprob: -4 }
  expect(bestSequence([short, long], null)).toBe(long)
  expect(bestSequence([short, long], 0)).toBe(short)
  expect(bestSequence([long, short], 1)).toBe(short)
  expect(bestSequence([short, { ...short }], null)).toBe(short)
})
