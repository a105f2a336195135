import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PowerSpectrum } from './fft.ts'
import { LogMelStream } from './log-mel.ts'
import { melFilters } from './mel-filters.ts'

/** The definition, slowly. */
function slowPower(signal: readonly number[]): readonly number[] {
  const n = signal.length
  return Array.from({ length: n / 2 + 1 }, (_, k) => {
    const re = signal.reduce((sum, x, t) => sum + x * Math.cos((2 * Math.PI * k * t) / n), 0)
    const im = signal.reduce((sum, x, t) => sum - x * Math.sin((2 * Math.PI * k * t) / n), 0)
    return re * re + im * im
  })
}

test.each([4, 10, 16, 40, 100, 400])('the power spectrum of %d samples', (length) => {
  const sample = fc.double({ min: -1, max: 1, noNaN: true })
  fc.assert(
    fc.property(fc.array(sample, { minLength: length, maxLength: length }), (signal) => {
      const power = new Float64Array(length / 2 + 1)
      new PowerSpectrum(length).compute(Float64Array.from(signal), power)
      slowPower(signal).forEach((expected, k) => expect(power[k]).toBeCloseTo(expected, 8))
    }),
    { numRuns: 10 },
  )
})

describe.each([80, 128])('%d mel filters', (bands) => {
  const filters = melFilters(bands, 400, 16_000)

  test('are triangles that rise with the frequency', () => {
    expect(filters).toHaveLength(bands)
    for (const { weights } of filters) {
      const peak = weights.indexOf(Math.max(...weights))
      const rising = weights.slice(0, peak + 1)
      const falling = weights.slice(peak)
      expect(rising).toEqual(rising.toSorted())
      expect(falling).toEqual(falling.toSorted().toReversed())
    }
    const begins = filters.map(({ firstBin }) => firstBin)
    expect(begins).toEqual(begins.toSorted((one, other) => one - other))
  })

  test('stay within the bins', () => {
    for (const { firstBin, weights } of filters) expect(firstBin + weights.length).toBeLessThanOrEqual(201)
  })
})

describe('the log-mel as samples come in', () => {
  const samples = Int16Array.from({ length: 20_000 }, (_, n) => 8000 * Math.sin(n / 7) + 4000 * Math.sin(n / 3.1))
  const framesOf = (chunks: readonly Int16Array[]): Float32Array[] => {
    const stream = new LogMelStream(80)
    const frames: Float32Array[] = []
    const emit = (frame: Float32Array) => frames.push(frame.slice())
    for (const chunk of chunks) stream.push(chunk, emit)
    stream.finish(emit)
    return frames
  }

  test('does not depend on how they are cut', () => {
    const whole = framesOf([samples])
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 3000 }), { maxLength: 20 }), (lengths) => {
        const chunks: Int16Array[] = []
        let at = 0
        for (const length of lengths) {
          chunks.push(samples.subarray(at, at + length))
          at += length
        }
        chunks.push(samples.subarray(at))
        expect(framesOf(chunks)).toEqual(whole)
      }),
      { numRuns: 20 },
    )
  })

  test('has a frame for each 160 samples, and those behind that still touch them', () => {
    expect(framesOf([samples])).toHaveLength(Math.ceil((samples.length + 200) / 160))
    expect(framesOf([samples.subarray(0, 10)])).toHaveLength(2)
  })

  test('of silence is the smallest value', () => {
    for (const frame of framesOf([new Int16Array(1600)])) expect(Math.max(...frame)).toBe(-10)
  })
})
