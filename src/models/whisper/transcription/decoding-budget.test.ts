import { expect, test } from 'vitest'
import { DecodingBudget } from './decoding-budget.ts'

const WINDOW = 3000
const exceeded = expect.objectContaining({ code: 'job.over_budget', retryable: false })

/** Whether there is room for so many decodings. */
function allows(contentFrames: number, decodings: number): boolean {
  const budget = new DecodingBudget(contentFrames)
  try {
    for (let spent = 0; spent < decodings; spent++) budget.spend()
    return true
  } catch {
    return false
  }
}

test.each([
  [0, 40],
  [1, 80],
  [WINDOW, 80],
  [WINDOW + 1, 120],
  [120 * WINDOW, 4840],
])('grows with the recording: %i frames may be decoded %i times', (frames, decodings) => {
  expect(allows(frames, decodings)).toBe(true)
  expect(allows(frames, decodings + 1)).toBe(false)
})

test('what is beyond it is the job’s fault, and stays so', () => {
  const budget = new DecodingBudget(0)
  for (let spent = 0; spent < 40; spent++) budget.spend()
  expect(() => budget.spend()).toThrow(exceeded)
})

test('has room for every second of an hour as a clip, and for none of a few seconds a hundred times', () => {
  const seconds = Array.from({ length: 3600 }, (_, second) => ({ start: 100 * second, end: 100 * (second + 1) }))
  expect(() => new DecodingBudget(120 * WINDOW).requireRoomFor(seconds)).not.toThrow()
  const again = Array.from({ length: 100 }, () => ({ start: 0, end: 300 }))
  expect(() => new DecodingBudget(300).requireRoomFor(again)).toThrow(exceeded)
})

test('counts nothing for clips behind the end', () => {
  const behind = Array.from({ length: 1000 }, () => ({ start: 6000, end: 300 }))
  expect(() => new DecodingBudget(300).requireRoomFor(behind)).not.toThrow()
})
