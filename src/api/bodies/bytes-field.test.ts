import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ApiError } from '../errors/api-error.ts'
import { BytesField } from './bytes-field.ts'

interface Read {
  readonly bytes: Buffer
  readonly rest: string
}

function read(body: string | Buffer, cuts: readonly number[] = [], maxRestBytes = 10_000): Read {
  const field = new BytesField({ maxRestBytes, onRest: () => undefined })
  const whole = Buffer.from(body)
  const places = [0, ...cuts.map((cut) => cut % (whole.length + 1)).toSorted((one, other) => one - other), whole.length]
  const decoded = places.slice(1).map((end, index) => field.push(whole.subarray(places[index], end)))
  return { bytes: Buffer.concat(decoded), rest: field.rest }
}

function outcomeOf(body: string, cuts: readonly number[]): Read | 'refused' {
  try {
    return read(body, cuts)
  } catch (error) {
    if (error instanceof ApiError) return 'refused'
    throw error
  }
}

const someCuts = fc.array(fc.nat({ max: 1000 }), { maxLength: 20 })
/** Fields that are made to be mistaken for the one. */
const others = fc.dictionary(
  fc.oneof(fc.string(), fc.constantFrom('bytes', 'Bytes2', 'URL', 'input', '"Bytes"', '\\')),
  fc.oneof(fc.jsonValue(), fc.constantFrom('Bytes', '"', '\\"Bytes":"', [{ Bytes: 'AAAA' }], { Bytes: 'AAAA' })),
)
const without = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([name]) => name !== 'Bytes' && name !== '__proto__'))

describe('BytesField', () => {
  test('gives what Bytes decodes to and keeps all else, wherever it stands and the body is cut', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        others,
        others,
        fc.nat({ max: 2 }),
        someCuts,
        (bytes, before, behind, space, at) => {
          const Bytes = Buffer.from(bytes).toString('base64')
          const given = { ...without(before), Bytes, ...without(behind) }
          const { bytes: decoded, rest } = read(JSON.stringify(given, null, space), at)
          expect(decoded).toEqual(Buffer.from(bytes))
          expect(JSON.parse(rest)).toEqual(JSON.parse(JSON.stringify({ ...given, Bytes: '' })))
        },
      ),
    )
  })

  test('leaves JSON without it as it is, and what is no JSON as well', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.json(), fc.string({ unit: fc.constantFrom(...'{}[]":, \\aBytes') })),
        someCuts,
        (text, at) => {
          const result = outcomeOf(text, at)
          expect(result === 'refused' || result.bytes.length > 0 || result.rest.length <= Buffer.byteLength(text)).toBe(
            true,
          )
          expect(result === 'refused' || result.bytes.length === 0 || result.rest.includes('""')).toBe(true)
        },
      ),
    )
  })

  test.each([
    ['white space', '"QUJD REVG\\r\\n\\tRw"', 'ABCDEFG'],
    ['base64url', '"-_-_"', Buffer.from('+/+/', 'base64').toString('latin1')],
    ['padding', '"QQ=="', 'A'],
    ['no padding', '"QUI"', 'AB'],
    ['slashes as PHP writes them', '"\\/\\/8="', Buffer.from('//8=', 'base64').toString('latin1')],
    ['escapes by number', '"Q\\u0055\\u004AD"', 'ABC'],
    ['nothing', '""', ''],
  ])('%s', (_, text, expected) => {
    const at = Array.from({ length: text.length + 20 }, (__, index) => index)
    expect(read(`{"Bytes":${text}}`, at).bytes.toString('latin1')).toBe(expected)
    expect(read(`{"\\u0042yt\\u0065s" : ${text} }`, []).bytes.toString('latin1')).toBe(expected)
  })

  test.each([
    '"A"',
    '"AAAAA"',
    '"QQ=A"',
    '"Q==="',
    '"="',
    '"A!"',
    '"AAAA\\""',
    '"A\\u0100A"',
    '"A\\q"',
    `"AAAA${' '.repeat(1e6)}!"`,
  ])('no base64: %.20s', (text) => {
    expect(() => read(`{"Bytes":${text}}`)).toThrow(expect.objectContaining({ status: 400 }))
  })

  test('twice, and too much beside it, are refused', () => {
    expect(() => read('{"Bytes":"AAAA","Bytes":"AAAA"}')).toThrow(/twice/)
    expect(() => read(`{"Bytes":"AAAA","input":"${'x'.repeat(1000)}"}`, [], 500)).toThrow(
      expect.objectContaining({ status: 413 }),
    )
  })
})
