import { expect, test } from 'vitest'
import { logSumExp, maximum } from './log-softmax.ts'

test('the logarithm of a sum of exponentials is that of the definition, over a part, and for numbers of any size', () => {
  const logits = Float32Array.of(9, 1, 2, 3, 9)
  expect(logSumExp(logits, 1, 4)).toBeCloseTo(Math.log(Math.exp(1) + Math.exp(2) + Math.exp(3)), 6)
  expect(logSumExp(Float32Array.of(5000, 5000), 0, 2)).toBeCloseTo(5000 + Math.LN2, 6)
})

test('what is forbidden adds nothing, and of nothing it is −∞', () => {
  const { NEGATIVE_INFINITY: never } = Number
  expect(logSumExp(Float32Array.of(never, 2), 0, 2)).toBe(2)
  expect(logSumExp(Float32Array.of(never, never), 0, 2)).toBe(never)
  expect(logSumExp(Float32Array.of(1), 0, 0)).toBe(never)
  expect(maximum(Float32Array.of(1, 3, 2, 4), 0, 3)).toBe(3)
})
