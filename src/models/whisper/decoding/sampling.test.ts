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
