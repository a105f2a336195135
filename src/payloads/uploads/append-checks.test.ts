import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { checkAppend, limitOf } from './append-checks.ts'
import type { AppendOptions } from './client-uploads.ts'
import type { UploadState } from './partial-files.ts'

const NOTHING: UploadState = { offset: undefined, length: undefined, complete: undefined }
const check = (state: Partial<UploadState>, options: Omit<AppendOptions, 'body'>): number | undefined =>
  checkAppend({ ...NOTHING, ...state }, { body: Readable.from([]), ...options })

describe('the length of an upload', () => {
  test('is what was said of it, by whichever append, or nothing', () => {
    expect(check({}, { offset: 0 })).toBeUndefined()
    expect(check({}, { offset: 0, length: 5 })).toBe(5)
    expect(check({ offset: 2, length: 5 }, { offset: 2 })).toBe(5)
    expect(check({ offset: 2, length: 5 }, { offset: 2, length: 5 })).toBe(5)
  })

  test('is no other one later, nor less than what is there', () => {
    const wrong = { code: 'payload.wrong_length' }
    expect(() => check({ offset: 2, length: 5 }, { offset: 2, length: 6 })).toThrow(expect.objectContaining(wrong))
    expect(() => check({ offset: 6 }, { offset: 6, length: 5 })).toThrow(expect.objectContaining(wrong))
    expect(check({ offset: 5 }, { offset: 5, length: 5 })).toBe(5)
  })

  test('is at most what it may be', () => {
    const tooLarge = { code: 'payload.too_large' }
    expect(check({}, { offset: 0, length: 5, maxBytes: 5 })).toBe(5)
    expect(() => check({}, { offset: 0, length: 6, maxBytes: 5 })).toThrow(expect.objectContaining(tooLarge))
  })
})

describe('an append', () => {
  test('goes on where the upload ends, which is 0 at first', () => {
    const wrong = { code: 'payload.wrong_offset' }
    expect(() => check({ offset: 2 }, { offset: 0 })).toThrow(expect.objectContaining(wrong))
    expect(() => check({}, { offset: 1 })).toThrow(expect.objectContaining(wrong))
  })

  test('to what is complete is none', () => {
    expect(() => check({ complete: 5 }, { offset: 5 })).toThrow(expect.objectContaining({ code: 'payload.complete' }))
  })

  test('whose body says that it goes beyond the end is refused before it is read', () => {
    const tooLarge = { code: 'payload.too_large' }
    expect(check({ offset: 2, length: 5 }, { offset: 2, bodyBytes: 3 })).toBe(5)
    expect(() => check({ offset: 2, length: 5 }, { offset: 2, bodyBytes: 4 })).toThrow(
      expect.objectContaining(tooLarge),
    )
    expect(() => check({ offset: 2 }, { offset: 2, bodyBytes: 4, maxBytes: 5 })).toThrow(
      expect.objectContaining(tooLarge),
    )
  })
})

test('an upload may have what was said and what is allowed, whichever is less', () => {
  const body = Readable.from([])
  expect(limitOf(5, { offset: 0, body, maxBytes: 7 })).toBe(5)
  expect(limitOf(9, { offset: 0, body, maxBytes: 7 })).toBe(7)
  expect(limitOf(undefined, { offset: 0, body })).toBe(Infinity)
})
