import { expect, test } from 'vitest'
import { NextTokens } from './next-tokens.ts'
import { SamplingDecoder, seededRandom } from './sampling.ts'

const LOGITS = Float32Array.of(1, 2.5, Number.NEGATIVE_INFINITY, 0.5, 3, -1)
const DRAWS = 50_000

test.each([0.2, 0.6, 1])('samples follow the softmax at temperature %d', (temperature) => {
  const weights = Array.from(LOGITS, (logit) => Math.exp(logit / temperature))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const random = seededRandom(1, 0)
  const counts = Array<number>(LOGITS.length).fill(0)
  const next = new NextTokens(LOGITS, { timestampBegin: 4 })
  for (let draw = 0; draw < DRAWS; draw++) counts[next.sample(temperature, random())]! += 1
  const chiSquared = weights.reduce((sum, weight, token) => {
    const expected = (DRAWS * weight) / total
    return expected === 0 ? sum : sum + (counts[token]! - expected) ** 2 / expected
  }, 0)
  expect(counts[2]).toBe(0)
  // 99.9 % of the chi-squared distribution with 4 degrees of freedom.
  expect(chiSquared).toBeLessThan(18.47)
})

test('a seed gives the same numbers again, another seed or stream others', () => {
  const numbers = (seed: number, stream = 0) => Array.from({ length: 5 }, seededRandom(seed, stream))
  expect(numbers(7)).toEqual(numbers(7))
  expect(numbers(7)).not.toEqual(numbers(8))
  expect(numbers(7)).not.toEqual(numbers(7, 3000))
  for (const number of numbers(7)) expect(number).toBeGreaterThanOrEqual(0)
})

test('its numbers are those of Mulberry32', () => {
  const random = seededRandom(1, 0)
  expect([random(), random(), random()]).toEqual([0.6270739405881613, 0.002735721180215478, 0.5274470399599522])
})

test('at temperature 0 the most probable is taken, above it what is drawn; its log-probability is that at temperature 1', () => {
  const next = () => new NextTokens(Float32Array.of(0, 3, 1), { timestampBegin: 3 })
  const total = Math.log(1 + Math.exp(3) + Math.exp(1))
  const options = { count: 1, eot: 0, random: () => 0.999 }
  const greedy = new SamplingDecoder({ ...options, temperature: 0 })
  expect(greedy.update([next()])).toEqual({ tokens: [1], parents: [0], isComplete: false })
  greedy.update([next()])
  expect(greedy.sequences[0]?.sampled).toEqual([1, 1])
  expect(greedy.sequences[0]?.sumLogprob).toBeCloseTo(2 * (3 - total), 6)
  const drawing = new SamplingDecoder({ ...options, temperature: 0.7 })
  expect(drawing.update([next()]).tokens).toEqual([2])
  expect(drawing.sequences[0]?.sumLogprob).toBeCloseTo(1 - total, 6)
})

test('a sequence that has ended stays as it is, while others go on', () => {
  const decoder = new SamplingDecoder({ count: 2, temperature: 0, eot: 0, random: seededRandom(0, 0) })
  const [ending, going] = [Float32Array.of(5, 1, 1), Float32Array.of(1, 5, 1)].map(
    (row) => new NextTokens(row, { timestampBegin: 3 }),
  )
  if (ending === undefined || going === undefined) throw new Error('unreachable')
  expect(decoder.update([ending, going])).toMatchObject({ tokens: [0, 1], isComplete: false })
  const [ended] = decoder.sequences
  expect(decoder.update([going, going])).toMatchObject({ tokens: [0, 1], isComplete: false })
  expect(decoder.sequences[0]).toEqual(ended)
  expect(decoder.update([going, ending]).isComplete).toBe(true)
  expect(decoder.finalize().map(({ sampled }) => sampled)).toEqual([[], [1, 1]])
})
