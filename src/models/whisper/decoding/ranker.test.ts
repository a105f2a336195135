import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bestSequence } from './ranker.ts'

const candidate = fc.record({
  sampled: fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 30 }),
  sumLogprob: fc.double({ min: -100, max: 0, noNaN: true }),
})
const candidates = fc.array(candidate, { minLength: 1, maxLength: 8 })

test('without a penalty, no candidate has a higher mean log-probability', () => {
  fc.assert(
    fc.property(candidates, (all) => {
      const means = all.map(({ sampled, sumLogprob }) => sumLogprob / sampled.length)
      expect(bestSequence(all, null)).toBe(all[means.indexOf(Math.max(...means))])
    }),
  )
})

test('with a penalty, no candidate has a higher sum over ((5 + length) / 6)^α', () => {
  fc.assert(
    fc.property(candidates, fc.double({ min: 0, max: 1, noNaN: true }), (all, alpha) => {
      const scores = all.map(({ sampled, sumLogprob }) => sumLogprob / ((5 + sampled.length) / 6) ** alpha)
      expect(bestSequence(all, alpha)).toBe(all[scores.indexOf(Math.max(...scores))])
    }),
  )
})

test('α 0 compares the sums alone, α 1 prefers the longer of two with equal sums', () => {
  const short = { sampled: [1], sumLogprob: -2 }
  const long = { sampled: [1, 2, 3, 4, 5, 6], sumLogprob: -2 }
  const longer = { sampled: [1, 2, 3, 4, 5, 6, 7], sumLogprob: -2.01 }
  expect(bestSequence([short, longer], 0)).toBe(short)
  expect(bestSequence([short, long], 1)).toBe(long)
})

test('none can be the best of none', () => {
  expect(() => bestSequence([], null)).toThrow('there is no candidate')
})
