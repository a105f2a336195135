import { expect, test } from 'vitest'
import { Observations } from './observations.ts'

test('each value arrives once, in order, however many there are', () => {
  const arrived: number[] = []
  const observations = new Observations((value) => arrived.push(value))
  const values = Array.from({ length: 1234 }, (_, index) => index / 8)
  for (const value of values) observations.add(value)
  observations.flush()
  observations.flush()
  expect(arrived).toEqual(values)
})
