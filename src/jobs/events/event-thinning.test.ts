import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { superfluous } from './event-thinning.ts'

const steady = (count: number) => Array.from({ length: count }, (_, n) => ({ sequence: n, doneSeconds: 30 * (n + 1) }))

describe('superfluous', () => {
  test('leaves the newest, and of the others as many as are wanted, in even steps', () => {
    const windows = steady(1000)
    const gone = new Set(superfluous(windows, { kept: 200, newest: 100 }))
    const left = windows.filter(({ sequence }) => !gone.has(sequence))
    expect(left).toHaveLength(200)
    expect(left.slice(100)).toEqual(windows.slice(900))
    const steps = left.slice(1, 100).map(({ doneSeconds }, index) => doneSeconds - (left[index]?.doneSeconds ?? 0))
    expect(Math.min(...steps)).toBeGreaterThanOrEqual(240)
    expect(Math.max(...steps)).toBeLessThanOrEqual(300)
  })

  test('leaves no large gap when it is done again and again', () => {
    let left = steady(0)
    for (const window of steady(5000)) {
      left.push(window)
      if (left.length < 400) continue
      const gone = new Set(superfluous(left, { kept: 200, newest: 100 }))
      left = left.filter(({ sequence }) => !gone.has(sequence))
    }
    const steps = left.slice(1).map(({ doneSeconds }, index) => doneSeconds - (left[index]?.doneSeconds ?? 0))
    const evenSeconds = (30 * 5000) / 100
    expect(Math.max(...steps)).toBeLessThan(3 * evenSeconds)
  })

  test('leaves no more than is wanted, whatever windows there are, those of a run that began again too', () => {
    const window = fc.record({
      sequence: fc.integer({ min: 0 }),
      doneSeconds: fc.double({ min: 0, max: 1e6, noNaN: true }),
    })
    const windows = fc.uniqueArray(window, { selector: ({ sequence }) => sequence, maxLength: 100 })
    fc.assert(
      fc.property(windows, (given) => {
        const gone = superfluous(given, { kept: 20, newest: 10 })
        expect(given.length - gone.length).toBeLessThanOrEqual(20)
        const newest = given.slice(-10).map(({ sequence }) => sequence)
        expect(gone.filter((sequence) => newest.includes(sequence))).toEqual([])
      }),
    )
  })
})
