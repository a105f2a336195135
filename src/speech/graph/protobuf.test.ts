import { expect, test } from 'vitest'
import { Message } from './protobuf.ts'

const hex = (message: Message): string => Buffer.from(message.finish()).toString('hex')

test('the examples of the encoding’s description', () => {
  expect(hex(new Message().integer(1, 150))).toBe('089601')
  expect(hex(new Message().text(2, 'testing'))).toBe('120774657374696e67')
  expect(hex(new Message().message(3, new Message().integer(1, 150)))).toBe('1a03089601')
  expect(hex(new Message().integers(6, [3, 270, 86_942]))).toBe('3206038e029ea705')
  expect(hex(new Message().integer(1, -2))).toBe('08feffffffffffffffff01')
})

test.each([
  [0, '00'],
  [127, '7f'],
  [128, '8001'],
  [2 ** 31, '8080808008'],
  [2 ** 40 + 1, '818080808020'],
  [Number.MAX_SAFE_INTEGER, 'ffffffffffffff0f'],
  [-1, 'ffffffffffffffffff01'],
  [-(2 ** 63), '80808080808080808001'],
])('the integer %d', (value, bytes) => {
  expect(hex(new Message().integer(1, value))).toBe(`08${bytes}`)
  expect(hex(new Message().integers(1, [value]))).toBe(`0a${(bytes.length / 2).toString(16).padStart(2, '0')}${bytes}`)
})

test('a number that is not whole is no integer', () => {
  expect(() => new Message().integer(1, 1.5)).toThrow(RangeError)
  expect(() => new Message().integers(1, [Number.NaN])).toThrow(RangeError)
})

test('floats, texts, bytes and fields beyond the fifteenth', () => {
  expect(hex(new Message().float(2, -1.5))).toBe('150000c0bf')
  expect(hex(new Message().text(1, 'ö'))).toBe('0a02c3b6')
  expect(hex(new Message().bytes(9, Uint8Array.of(0, 255)))).toBe('4a0200ff')
  expect(hex(new Message().integer(20, 7))).toBe('a00107')
  expect(hex(new Message().bytes(1, new Uint8Array(200))).slice(0, 6)).toBe('0ac801')
})

test('what is empty is written, what is missing is not, and a list is its entries', () => {
  expect(hex(new Message().text(1, '').bytes(2, new Uint8Array()).message(3, new Message()))).toBe('0a0012001a00')
  expect(hex(new Message().integer(1, undefined).text(2, undefined).integers(3, []).messages(4, []))).toBe('')
  expect(hex(new Message().texts(1, ['a', '', 'b']))).toBe('0a01610a000a0162')
})
