import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { after } from './long-timer.ts'

/** As long as one of the platform's timers can be; a longer one goes off at once. */
const LONGEST_MS = 2 ** 31 - 1

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test.each([1, 5000, LONGEST_MS, LONGEST_MS + 1, 3 * LONGEST_MS + 5000])('%d ms pass before it, once', (ms) => {
  let calls = 0
  after(ms, () => (calls += 1))
  vi.advanceTimersByTime(ms - 1)
  expect(calls).toBe(0)
  vi.advanceTimersByTime(1)
  expect(calls).toBe(1)
  vi.advanceTimersByTime(2 * LONGEST_MS)
  expect(calls).toBe(1)
})

test.each([0, LONGEST_MS + 1])('one that is disposed after %d ms never goes off', (passedMs) => {
  let calls = 0
  const timer = after(LONGEST_MS + 5000, () => (calls += 1))
  vi.advanceTimersByTime(passedMs)
  timer[Symbol.dispose]()
  vi.advanceTimersByTime(3 * LONGEST_MS)
  expect(calls).toBe(0)
  expect(vi.getTimerCount()).toBe(0)
})
