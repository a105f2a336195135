import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PowerSpectrum } from './fft.ts'
import { FrameBlocks } from './frame-blocks.ts'
import type { FrameBlock } from './frame-blocks.ts'
import { LogMel } from './log-mel.ts'
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

/** A frame's log-mel, from the definition: 200 samples on both sides of its middle, mirrored at the beginning. */
function slowFrame(samples: Int16Array, frame: number): readonly number[] {
  const at = (n: number): number => samples[Math.abs(n)] ?? 0
  const windowed = Array.from(
    { length: 400 },
    (_, n) => ((at(160 * frame - 200 + n) / 32_768) * (1 - Math.cos((2 * Math.PI * n) / 400))) / 2,
  )
  const power = slowPower(windowed)
  return melFilters(80, 400, 16_000).map(({ firstBin, weights }) => {
    const sum = weights.reduce((total, weight, i) => total + weight * (power[firstBin + i] ?? 0), 0)
    return Math.log10(Math.max(sum, 1e-10))
  })
}

describe('the log-mel as samples come in', () => {
  const samples = Int16Array.from({ length: 340_000 }, (_, n) => 8000 * Math.sin(n / 7) + 4000 * Math.sin(n / 3.1))
  const blocksOf = (chunks: readonly Int16Array[]): readonly FrameBlock[] => {
    const framing = new FrameBlocks()
    return [...chunks.flatMap((chunk) => [...framing.push(chunk)]), ...framing.finish()]
  }
  /** Typed arrays are compared element by element, which takes a minute. */
  const bytesOf = ({ samples: block }: FrameBlock): string => Buffer.from(block.buffer).toString('latin1')
  const framesOf = (chunks: readonly Int16Array[]): readonly Float32Array[] => {
    const logMel = new LogMel(80)
    return blocksOf(chunks).flatMap((block) => {
      const { values } = logMel.compute(block.samples, block.frames)
      return Array.from({ length: block.frames }, (_, frame) => values.slice(80 * frame, 80 * (frame + 1)))
    })
  }

  test('does not depend on how they are cut', () => {
    const whole = blocksOf([samples])
    expect(whole.map(({ firstFrame, frames }) => [firstFrame, frames])).toEqual([
      [0, 1000],
      [1000, 1000],
      [2000, 127],
    ])
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 60_000 }), { maxLength: 20 }), (lengths) => {
        const chunks: Int16Array[] = []
        let at = 0
        for (const length of lengths) {
          chunks.push(samples.subarray(at, at + length))
          at += length
        }
        chunks.push(samples.subarray(at))
        expect(blocksOf(chunks).map(bytesOf)).toEqual(whole.map(bytesOf))
      }),
      { numRuns: 20 },
    )
  })

  test('is that of the definition, within a block and over its borders', () => {
    const frames = framesOf([samples])
    for (const frame of [0, 1, 2, 999, 1000, 1001, 2125, 2126]) {
      const expected = slowFrame(samples, frame)
      expect(frames[frame]?.every((value, band) => Math.abs(value - (expected[band] ?? NaN)) < 1e-4)).toBe(true)
    }
  })

  test.each([1, 10, 159, 160, 200, 201, 360, 20_000, 160_000, 160_040])(
    'of %d samples has a frame for each that touches them',
    (length) => {
      expect(framesOf([samples.subarray(0, length)])).toHaveLength(Math.ceil((length + 200) / 160))
    },
  )

  test('of silence is the smallest value', () => {
    const { values, maximum, peak } = new LogMel(80).compute(new Int16Array(400), 1)
    expect(new Set(values)).toEqual(new Set([-10]))
    expect([maximum, peak]).toEqual([-10, 0])
  })

  test('tells the largest value and the loudest sample', () => {
    const loud = samples.slice(0, 400)
    loud[100] = -32_768
    const { values, maximum, peak } = new LogMel(80).compute(loud, 1)
    expect(maximum).toBe(Math.max(...values))
    expect(peak).toBe(32_768)
  })
})
