import { randomBytes } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkKey } from './payload-key.ts'
import { isUploadKey, makeUploadKey, ownerMatches } from './upload-key.ts'

const SECRET = randomBytes(32)
const owners = fc.string({ unit: 'grapheme' })
const extensions = fc.stringMatching(/^[a-z\d]{1,16}$/)

describe('the key of an upload', () => {
  test('vouches for its owner, and for no other', () => {
    fc.assert(
      fc.property(owners, owners, extensions, (owner, other, extension) => {
        const key = makeUploadKey(SECRET, owner, extension)
        checkKey(key)
        expect(key.endsWith(`.${extension}`)).toBe(true)
        expect(isUploadKey(key)).toBe(true)
        expect(ownerMatches(SECRET, owner, key)).toBe(true)
        expect(ownerMatches(SECRET, other, key)).toBe(other === owner)
        expect(ownerMatches(randomBytes(32), owner, key)).toBe(false)
      }),
    )
  })

  test('vouches for nobody when any of its characters is another', () => {
    const key = makeUploadKey(SECRET, 'key-1', 'mp3')
    const places = Array.from({ length: key.length - 'uploads/'.length }, (_, n) => 'uploads/'.length + n)
    const changed = places.flatMap((at) => [...'a0-./'].map((other) => key.slice(0, at) + other + key.slice(at + 1)))
    const believed = changed.filter((other) => other !== key && ownerMatches(SECRET, 'key-1', other))
    expect(believed).toEqual([])
  })

  test('is never the same', () => {
    expect(makeUploadKey(SECRET, 'key-1', 'mp3')).not.toBe(makeUploadKey(SECRET, 'key-1', 'mp3'))
  })

  test.each([
    '',
    'uploads/0b7c2f9e.mp3',
    'uploads/a9b9ff8e-3a0b-4c3e-8a49-59b2a3ff2c0d.sync',
    'results/a9b9ff8e-3a0b-4c3e-8a49-59b2a3ff2c0d/1.json',
  ])('%j is none', (key) => {
    expect(isUploadKey(key)).toBe(false)
    expect(ownerMatches(SECRET, 'key-1', key)).toBe(false)
  })
})
