import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { attentionMatrix } from './attention-matrix.ts'
import { dynamicTimeWarping } from './dynamic-time-warping.ts'
import type { WordTiming } from './find-alignment.ts'
import { medianFilter } from './median-filter.ts'
import { mergePunctuations } from './punctuation.ts'

describe('dynamic time warping', () => {
  /** The cost of the cheapest path to the last corner, by trying all of them. */
  function cheapest(costs: readonly number[][], row: number, column: number): number {
    const cost = costs[row]![column]!
    if (row === 0 && column === 0) return cost
    const before = [
      ...(row > 0 && column > 0 ? [cheapest(costs, row - 1, column - 1)] : []),
      ...(row > 0 ? [cheapest(costs, row - 1, column)] : []),
      ...(column > 0 ? [cheapest(costs, row, column - 1)] : []),
    ]
    return cost + Math.min(...before)
  }

  /** The cost of the path that takes each row's columns up to where the next row begins. */
  function costOf(costs: readonly number[][], first: readonly number[]): number {
    return costs.reduce((sum, line, row) => {
      const from = first[row]!
      const next = first[row + 1]
      // The next row begins beside this row's last column, or below it.
      const ends = next === undefined ? [line.length - 1] : [next - 1, next].filter((end) => end >= from)
      const options = ends.map((end) => line.slice(from, end + 1).reduce((total, cost) => total + cost, 0))
      return sum + Math.min(...options)
    }, 0)
  }

  test('no path is cheaper, and it begins and ends in the corners', () => {
    // Numbers without ties, of which the reference does not take the cheaper ones.
    const matrix = fc
      .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 1e6 }))
      .map(([rows, columns, seed]) =>
        Array.from({ length: rows }, (_, row) =>
          Array.from({ length: columns }, (_cost, column) => Math.sin(seed * (31 * row + column + 1))),
        ),
      )
    fc.assert(
      fc.property(matrix, (costs) => {
        const [rows, columns] = [costs.length, costs[0]!.length]
        const first = dynamicTimeWarping(Float64Array.from(costs.flat()), rows, columns)
        expect(first).toHaveLength(rows)
        expect(first[0]).toBe(0)
        expect(first).toEqual(first.toSorted((one, other) => one - other))
        expect(costOf(costs, first)).toBeCloseTo(cheapest(costs, rows - 1, columns - 1), 9)
      }),
      { numRuns: 500 },
    )
  })

  test('without frames each row begins at the first', () => {
    expect(dynamicTimeWarping(new Float64Array(0), 3, 0)).toEqual([0, 0, 0])
  })
})

test('the median filter gives the middle of the seven around, the ends reflected', () => {
  const row = fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 4, maxLength: 40 })
  fc.assert(
    fc.property(row, (values) => {
      const expected = values.map((_, center) => {
        const around = [-3, -2, -1, 0, 1, 2, 3].map((offset) => {
          const index = Math.abs(center + offset)
          return values[index < values.length ? index : 2 * (values.length - 1) - index]!
        })
        return around.toSorted((one, other) => one - other)[3]
      })
      const filtered = Float32Array.from(values)
      medianFilter(filtered)
      expect([...filtered]).toEqual(expected)
    }),
  )
  const short = Float32Array.of(3, 1, 2)
  medianFilter(short)
  expect([...short]).toEqual([3, 1, 2])
})

test('frames that all tokens look at alike, or not at all, do no harm', () => {
  const scores = new Float32Array(4 * 10).fill(1)
  const shape = { tokens: 4, stride: 10, frames: 8, from: 1, to: 3 }
  expect([...attentionMatrix([scores, scores], shape)]).toEqual(Array<number>(16).fill(0))
  const broken = attentionMatrix([scores.map(() => Number.NaN)], shape)
  expect(dynamicTimeWarping(broken, 2, 8)).toHaveLength(2)
})

describe('punctuation', () => {
  const merged = (...words: readonly string[]): readonly string[] => {
    const timings = words.map((word, index): WordTiming => ({
      word,
      tokens: [index],
      start: 0,
      end: 0,
      probability: 1,
    }))
    mergePunctuations(timings, '"\'“¿([{-', '"\'.。,，!！?？:：”)]}、')
    expect(timings.flatMap(({ tokens }) => tokens)).toEqual(words.map((_, index) => index))
    return timings.map(({ word }) => word)
  }

  test.each([
    [
      [' Hello', ',', ' world', '.'],
      [' Hello,', '', ' world.', ''],
    ],
    [
      [' "', 'Yes', '"', '.'],
      ['', ' "Yes".', '', ''],
    ],
    [
      [' ¿', 'Qué', '?', '!'],
      ['', ' ¿Qué?!', '', ''],
    ],
    [
      [' a', ' -', 'b'],
      [' a', '', ' -b'],
    ],
    [
      [' (', ' [', 'x', ']', ')'],
      ['', '', ' ( [x])', '', ''],
    ],
  ])('%j becomes %j', (words, expected) => {
    expect(merged(...words)).toEqual(expected)
  })
})
