import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TrackClock } from './track-clock.ts'

/** Seconds of silence before each frame of 0.02 s. */
function silences(timestamps: readonly (number | undefined)[], zero?: number): readonly number[] {
  const clock = new TrackClock(zero)
  let position = 0
  return timestamps.map((at) => {
    const { silenceSeconds } = clock.place(at, 0.02, position)
    position += silenceSeconds + 0.02
    return Math.round(silenceSeconds * 1000) / 1000
  })
}

describe('the clock of a track', () => {
  test('fills jumps of more than a tenth of a second, and no others', () => {
    expect(silences([0, 0.02, 5, 5.02])).toEqual([0, 0, 4.96, 0])
    expect(silences([0, 0.02, 0.12, 0.14])).toEqual([0, 0, 0, 0])
  })

  test('counts from the container’s beginning, encoders’ padding aside', () => {
    expect(silences([6.4, 6.42], 1.4)).toEqual([5, 0])
    expect(silences([0.025, 0.045], 0)).toEqual([0, 0])
    expect(silences([12_345, 12_345.02])).toEqual([0, 0])
  })

  test('adds lost frames up, one by one too short to be told', () => {
    const alternating = Array.from({ length: 100 }, (_, index) => index * 0.04)
    const sum = silences(alternating).reduce((total, seconds) => total + seconds, 0)
    expect(sum).toBeGreaterThan(1.8)
    expect(sum).toBeLessThan(2)
  })

  test('follows neither a clock that runs a little faster than the sound, nor one that jitters', () => {
    const fast = Array.from({ length: 10_000 }, (_, index) => index * 0.0201)
    expect(Math.max(...silences(fast))).toBe(0)
    const jittering = Array.from({ length: 1000 }, (_, index) => index * 0.02 + (index % 2) * 0.08)
    expect(silences(jittering).reduce((total, seconds) => total + seconds, 0)).toBeLessThan(0.2)
  })

  test('follows no jump back, and none of hours, and goes on from there', () => {
    expect(silences([100, 100.02, 3, 3.02, 8.02])).toEqual([0, 0, 0, 0, 4.98])
    expect(silences([0, 0.02, 10_000, 10_000.02, 10_005.02])).toEqual([0, 0, 0, 0, 4.98])
    const clock = new TrackClock(0)
    clock.place(0, 0.02, 0)
    expect(clock.place(10_000, 0.02, 0.02).ignoredSeconds).toBeCloseTo(9999.98, 2)
  })

  test('needs no timestamps', () => {
    expect(silences([undefined, undefined, undefined])).toEqual([0, 0, 0])
    expect(silences([0, undefined, 0.04, 3])).toEqual([0, 0, 0, 2.94])
  })

  test('never makes a recording longer than the way that its timestamps go', () => {
    const times = fc.array(fc.double({ min: 0, max: 3000, noNaN: true }), { minLength: 1, maxLength: 50 })
    fc.assert(
      fc.property(times, (timestamps) => {
        const ordered = timestamps.toSorted((one, other) => one - other)
        const sum = silences(ordered).reduce((total, seconds) => total + seconds, 0)
        expect(sum).toBeLessThanOrEqual((ordered.at(-1) ?? 0) - (ordered[0] ?? 0) + 0.1)
      }),
    )
  })
})
