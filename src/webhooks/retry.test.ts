import { describe, expect, test } from 'vitest'
import { LONGEST_PAUSE_MS, MAX_ATTEMPTS, pauseMs, readRetryAfter } from './retry.ts'

const NOW = new Date('2026-11-25T00:00:00Z')
const middle = Array.from({ length: MAX_ATTEMPTS }, (_, index) => pauseMs(index + 1, null, 0.5))

describe('pauses', () => {
  test('are 5 seconds at first, and grow to six hours; the last attempt is more than a day after the first', () => {
    expect(middle).toEqual([
      ...[5000, 20_000, 80_000, 320_000, 1_280_000, 5_120_000, 20_480_000],
      ...[21_600_000, 21_600_000, 21_600_000, null],
    ])
    expect(middle.reduce<number>((sum, pause) => sum + (pause ?? 0), 0)).toBeGreaterThan(86_400_000)
  })

  test('are a fifth shorter or longer by chance, and none is longer than the longest', () => {
    expect([pauseMs(1, null, 0), pauseMs(1, null, 1)]).toEqual([4000, 6000])
    expect(pauseMs(10, null, 1)).toBe(LONGEST_PAUSE_MS)
  })

  test('are as long as the receiver asks for, up to six hours', () => {
    expect(pauseMs(1, 60_000, 0.5)).toBe(60_000)
    expect(pauseMs(3, 60_000, 0.5)).toBe(80_000)
    expect(pauseMs(1, 1e12, 0.5)).toBe(21_600_000)
    expect(pauseMs(MAX_ATTEMPTS, 60_000, 0.5)).toBeNull()
  })
})

test.each([
  [undefined, null],
  ['120', 120_000],
  ['0', 0],
  ['Wed, 25 Nov 2026 00:01:00 GMT', 60_000],
  ['Tue, 24 Nov 2026 00:01:00 GMT', 0],
  ['soon', null],
  ['', null],
])('Retry-After: %s is %j ms', (header, ms) => {
  expect(readRetryAfter(header, NOW)).toBe(ms)
})
