import { randomBytes, randomUUIDv7 } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkKey } from '../payload-key.ts'
import { UPLOAD_FILE_PATTERN, Upload, keyOfFile } from './upload.ts'

const SECRET = randomBytes(32)
const owners = fc.string({ unit: 'grapheme' })
const extensions = fc.stringMatching(/^[a-z\d]{1,16}$/)

const isOwned = (key: string, owner: string): boolean => Upload.of(key)?.isOwnedBy(owner, SECRET) === true
const at = (path: string, signer: (path: string) => string | undefined = () => undefined): Upload | undefined =>
  Upload.at(new URL(path, 'https://example.com'), signer)

describe('an upload', () => {
  test('proves its owner by its key alone, and nobody else', () => {
    fc.assert(
      fc.property(owners, owners, extensions, (owner, other, extension) => {
        const { key } = Upload.mint(SECRET, owner, extension)
        checkKey(key)
        expect(Upload.of(key)).toMatchObject({ key, extension })
        expect(isOwned(key, owner)).toBe(true)
        expect(Upload.mint(SECRET, owner, extension).isOwnedBy(owner, SECRET)).toBe(true)
        expect(isOwned(key, other)).toBe(other === owner)
        expect(Upload.of(key)?.isOwnedBy(owner, randomBytes(32))).toBe(false)
      }),
    )
  })

  test('is nobody’s when any character of its key is another', () => {
    const { key } = Upload.mint(SECRET, 'key-1', 'mp3')
    const places = Array.from({ length: key.length }, (_, n) => n)
    const changed = places.flatMap((n) => [...'a0-./'].map((other) => key.slice(0, n) + other + key.slice(n + 1)))
    expect(changed.filter((other) => other !== key && isOwned(other, 'key-1'))).toEqual([])
  })

  test('is never the same', () => {
    expect(Upload.mint(SECRET, 'key-1', 'mp3').key).not.toBe(Upload.mint(SECRET, 'key-1', 'mp3').key)
  })

  test.each([
    '',
    'uploads/',
    'uploads/0b7c2f9e.mp3',
    'uploads/a9b9ff8e-3a0b-4c3e-8a49-59b2a3ff2c0d.mp3',
    'results/a9b9ff8e-3a0b-4c3e-8a49-59b2a3ff2c0d/1.json',
  ])('has no key like %j', (key) => {
    expect(Upload.of(key)).toBeUndefined()
  })
})

describe('the URL of an upload through the API', () => {
  const { key, path } = Upload.mint(SECRET, 'key-1', 'mp3')

  test('says which one it is, by whichever host and below whichever path, without its query', () => {
    expect(keyOfFile(path.split('/').at(-1) ?? '')).toBe(key)
    for (const url of [path, `/api${path}?expires=0`, `/a/b${path}#x`]) {
      const upload = at(url)
      expect(upload).toMatchObject({ key, path, extension: 'mp3' })
      expect(upload?.isOwnedBy('key-1', SECRET)).toBe(true)
      expect(upload?.isOwnedBy('key-2', SECRET)).toBe(false)
    }
  })

  test.each([
    '/',
    '/v1/input/uploads',
    '/v1/input/uploads/',
    `${path}/`,
    path.replace('uploads', 'upload'),
    `${path}x-`,
  ])('is not %j', (other) => {
    expect(at(other, () => 'key-1')).toBeUndefined()
  })

  test('of the version before has no MAC: its signature says whose it is', () => {
    const former = `${randomUUIDv7()}.wav`
    const asked: string[] = []
    const upload = at(`/api/v1/input/uploads/${former}?signature=x`, (signed) => {
      asked.push(signed)
      return 'key-1'
    })
    expect(asked).toEqual([`/v1/input/uploads/${former}`])
    expect(upload).toMatchObject({ key: `uploads/${former}`, extension: 'wav' })
    expect(upload?.isOwnedBy('key-1', SECRET)).toBe(true)
    expect(upload?.isOwnedBy('key-2', SECRET)).toBe(false)
    expect(at(`/v1/input/uploads/${former}`, () => undefined)).toBeUndefined()
  })

  test('needs no signature where there is a MAC, which no signature replaces', () => {
    const forged = path.replace(/-[\da-f]{32}/, `-${'0'.repeat(32)}`)
    expect(at(forged, () => 'key-1')?.isOwnedBy('key-1', SECRET)).toBe(false)
  })

  test('ends in a file of one of the two forms', () => {
    const pattern = new RegExp(UPLOAD_FILE_PATTERN)
    expect([key, `uploads/${randomUUIDv7()}.wav`].map((name) => pattern.test(name.slice('uploads/'.length)))).toEqual([
      true,
      true,
    ])
    for (const file of ['x.wav', `${randomUUIDv7()}-00.wav`, `${randomUUIDv7()}.w/v`, randomUUIDv7()]) {
      expect(pattern.test(file)).toBe(false)
    }
  })
})
