import fc from 'fast-check'
import { expect, test } from 'vitest'
import { NextTokens } from './next-tokens.ts'

const EOT = 12
const TIMESTAMP_BEGIN = 16
const VOCABULARY = 24

/** Few values, so that there are equals; some forbidden. */
const logitsOf = fc
  .array(fc.oneof({ weight: 5, arbitrary: fc.integer({ min: -8, max: 8 }) }, fc.constant(Number.NEGATIVE_INFINITY)), {
    ...{ minLength: VOCABULARY, maxLength: VOCABULARY },
  })
  .map((values) => Float32Array.from(values))
  .filter((logits) =>
    [logits.subarray(0, EOT), logits.subarray(TIMESTAMP_BEGIN)].every((part) => part.some(Number.isFinite)),
  )

/** What the decoder's graph gives: the best of the text, and the logits from `<|endoftext|>` on. */
function fromGraph(logits: Float32Array, count: number): NextTokens {
  const text = logits.subarray(0, TIMESTAMP_BEGIN)
  const ids = [...text.keys()].toSorted((one, other) => text[other]! - text[one]! || one - other).slice(0, count)
  const total = Math.log(text.reduce((sum, logit) => sum + Math.exp(logit), 0))
  const topText = {
    tokens: Int32Array.from(ids),
    logits: Float32Array.from(ids, (id) => text[id]!),
    logprob: text[ids[0]!]! - total,
  }
  return new NextTokens(logits.slice(EOT), { timestampBegin: TIMESTAMP_BEGIN, first: EOT, topText })
}

type Rule = (next: NextTokens) => void
const rules: readonly (readonly [string, Rule])[] = [
  ['nothing', () => undefined],
  ['text below the end', (next) => next.forbidTextBelow(EOT)],
  ['text', (next) => next.forbidText()],
  ['early timestamps', (next) => next.forbidTimestampsBelow(TIMESTAMP_BEGIN + 3)],
  ['late timestamps', (next) => next.forbidTimestampsFrom(TIMESTAMP_BEGIN + 4)],
  ['timestamps', (next) => next.forbidTimestampsFrom(TIMESTAMP_BEGIN)],
]

test.each(rules)('what the graph has found and all logits give the same, with %s forbidden', (_, rule) => {
  fc.assert(
    fc.property(logitsOf, fc.integer({ min: 1, max: 6 }), (logits, count) => {
      const [some, every] = [
        fromGraph(logits, count),
        new NextTokens(logits.slice(), { timestampBegin: TIMESTAMP_BEGIN }),
      ]
      rule(some)
      rule(every)
      expect(some.prefersTimestamp).toBe(every.prefersTimestamp)
      const [short, long] = [some.top(count), every.top(count)]
      // Forbidden ones fill up with the lowest ids, of which the graph's may be some.
      const open = long.logprobs.filter(Number.isFinite).length
      expect(short.tokens.slice(0, open)).toEqual(long.tokens.slice(0, open))
      for (const [index, logprob] of short.logprobs.slice(0, open).entries()) {
        expect(logprob).toBeCloseTo(long.logprobs[index]!, 5)
      }
    }),
    { numRuns: 200 },
  )
})

test('the top tokens are those that sorting finds, the lower id among equals', () => {
  fc.assert(
    fc.property(logitsOf, fc.integer({ min: 1, max: 8 }), (logits, count) => {
      const sorted = [...logits.keys()]
        .filter((token) => Number.isFinite(logits[token]))
        .toSorted((one, other) => logits[other]! - logits[one]! || one - other)
      const { tokens } = new NextTokens(logits.slice(), { timestampBegin: TIMESTAMP_BEGIN }).top(count)
      expect(tokens.slice(0, sorted.length)).toEqual(sorted.slice(0, count))
      expect(tokens).toHaveLength(count)
    }),
  )
})

test('log-probabilities are those of the softmax over what is open', () => {
  const next = new NextTokens(Float32Array.of(1, 2, 3, 4, 5, 6), { timestampBegin: 4 })
  next.forbid([1])
  next.forbidTextBelow(1)
  next.forbidTimestampsBelow(5)
  const open = [3, 4, 6]
  const total = Math.log(open.reduce((sum, logit) => sum + Math.exp(logit), 0))
  const { tokens, logprobs } = next.top(3)
  expect(tokens).toEqual([5, 3, 2])
  for (const [index, logit] of [6, 4, 3].entries()) expect(logprobs[index]).toBeCloseTo(logit - total, 6)
  expect(next.logprob(3)).toBeCloseTo(4 - total, 6)
})

test('a logit that was not asked for is refused, not made up', () => {
  const next = fromGraph(new Float32Array(VOCABULARY), 2)
  expect(() => next.logprob(EOT - 1)).toThrow('the logit of token 11 is not there')
  expect(() => next.sample(1, 0.5)).toThrow(RangeError)
})

test('where nothing may come next, or what comes is no number, that is said', () => {
  const closed = new NextTokens(new Float32Array(VOCABULARY), { timestampBegin: TIMESTAMP_BEGIN })
  closed.forbidText()
  closed.forbidTimestampsFrom(TIMESTAMP_BEGIN)
  expect(() => closed.top(1)).toThrow(
    expect.objectContaining({ code: 'input.invalid', message: expect.stringContaining('suppress_tokens') }),
  )
  const broken = new NextTokens(new Float32Array(VOCABULARY).fill(Number.NaN, 3, 4), {
    timestampBegin: TIMESTAMP_BEGIN,
  })
  expect(() => broken.top(1)).toThrow(
    expect.objectContaining({ code: 'checkpoint.damaged', message: expect.stringContaining('no numbers') }),
  )
})

test('a text token that is as probable as all timestamps together may come next', () => {
  const next = (timestamp: number) => new NextTokens(Float32Array.of(0, 2, timestamp), { timestampBegin: 2 })
  expect(next(2).prefersTimestamp).toBe(false)
  expect(next(2.01).prefersTimestamp).toBe(true)
})

test('no more come than there are', () => {
  const next = new NextTokens(Float32Array.of(1, Number.NEGATIVE_INFINITY, 2), { timestampBegin: 2 })
  expect(next.top(5)).toEqual({ tokens: [2, 0, 1], logprobs: [expect.any(Number), expect.any(Number), -Infinity] })
})

test('where the graph has found too few, all logits are looked at', () => {
  const logits = Float32Array.of(1, 3, 2, 0)
  const topText = { tokens: Int32Array.of(1), logits: Float32Array.of(3), logprob: -0.41 }
  expect(new NextTokens(logits, { timestampBegin: 3, topText }).top(3).tokens).toEqual([1, 2, 0])
})

test('a draw falls into the share of its token, and beyond all by rounding into the last one that is open', () => {
  const { NEGATIVE_INFINITY: never } = Number
  const next = new NextTokens(Float32Array.of(0, 0, never, 0, 0, never), { timestampBegin: 3 })
  expect([0, 0.24, 0.25, 0.5, 0.74, 0.75, 1].map((random) => next.sample(1, random))).toEqual([0, 0, 1, 3, 3, 4, 4])
  const some = new NextTokens(Float32Array.of(0, 0), { timestampBegin: 10, first: 10 })
  some.forbidText()
  expect([0, 0.5, 1].map((random) => some.sample(1, random))).toEqual([10, 11, 11])
})

test('logits of any size are drawn from by their differences', () => {
  const next = new NextTokens(Float32Array.of(5000, 5000, -5000, 5000), { timestampBegin: 2 })
  expect([0.1, 0.5, 0.9].map((random) => next.sample(1, random))).toEqual([0, 1, 3])
})
