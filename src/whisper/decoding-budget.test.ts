import { expect, test } from 'vitest'
import { DecodingBudget } from './decoding-budget.ts'

const WINDOW = 3000
const exceeded = expect.objectContaining({ code: 'job.over_budget', retryable: false })

/** Decodings until nothing is left. */
function most(contentFrames: number): number {
  const budget = new DecodingBudget(contentFrames)
  for (let spent = 0; ; spent++) {
    try {
      budget.spend()
    } catch (error) {
      expect(error).toEqual(exceeded)
      return spent
    }
  }
}

test('grows with the recording', () => {
  expect([0, 1, WINDOW, WINDOW + 1, 120 * WINDOW].map(most)).toEqual([40, 80, 80, 120, 4840])
})

test('has room for every second of an hour as a clip, and for none of a few seconds a hundred times', () => {
  const seconds = Array.from({ length: 3600 }, (_, second) => ({ start: 100 * second, end: 100 * (second + 1) }))
  new DecodingBudget(120 * WINDOW).requireRoomFor(seconds)
  const again = Array.from({ length: 100 }, () => ({ start: 0, end: 300 }))
  expect(() => new DecodingBudget(300).requireRoomFor(again)).toThrow(exceeded)
})

test('counts nothing for clips behind the end', () => {
  const behind = Array.from({ length: 1000 }, () => ({ start: 6000, end: 300 }))
  new DecodingBudget(300).requireRoomFor(behind)
})
