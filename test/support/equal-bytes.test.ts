import { expect, test } from 'vitest'
import { areEqualBytes } from './equal-bytes.ts'

const many = Buffer.alloc(5000, 'bytes')

test('the same bytes are equal at once, and all that differs is left to the usual comparison', () => {
  expect(areEqualBytes(many, Buffer.from(many))).toBe(true)
  expect(areEqualBytes(many.subarray(0, 3), many.subarray(0, 3))).toBeUndefined()
  const other = Buffer.from(many)
  other[4999] = 0
  for (const one of [other, many.subarray(1), new Uint8Array(many), 'bytes', null]) {
    expect(areEqualBytes(many, one)).toBeUndefined()
  }
  expect(areEqualBytes(new Float32Array(5000).fill(0), new Float32Array(5000).fill(-0))).toBeUndefined()
})

test('what is not equal is still told from what is', () => {
  expect(many).not.toEqual(Buffer.from(many).fill(0, 4999))
  expect({ content: many }).toEqual({ content: Buffer.from(many) })
  expect(many).not.toStrictEqual(new Uint8Array(many))
})
