import { expect, test } from 'vitest'
import { clipsOf } from './clips.ts'

test.each([
  [[], [[0, 1000]]],
  [[0], [[0, 1000]]],
  [[2.5], [[250, 1000]]],
  [
    [1, 2, 3],
    [
      [100, 200],
      [300, 1000],
    ],
  ],
  [
    [3, 4, 1, 2],
    [
      [300, 400],
      [100, 200],
    ],
  ],
  [[0.005, 0.015], [[0, 2]]],
  [[8, 99], [[800, 1000]]],
  [[20], [[2000, 1000]]],
])('%j of a recording of 10 s', (timestamps, expected) => {
  expect(clipsOf(timestamps, 1000).map(({ start, end }) => [start, end])).toEqual(expected)
})
