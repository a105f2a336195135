import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { bodyOf } from './bodies.fixture.ts'
import { KEY, bytesOf } from './payload-store.fixture.ts'
import type { OpenStore } from './payload-store.fixture.ts'

/** What is written comes back, and what is removed is gone. */
export function describeObjects(name: string, open: OpenStore): void {
  describe(`${name}: objects`, () => {
    test.each([0, 1, 65_536, 1_000_003])('%d bytes come back as they were', async (length) => {
      await using fixture = await open()
      const { store } = fixture
      const bytes = randomBytes(length)
      expect(await store.write(KEY, bodyOf(bytes, 70_000))).toEqual({ bytes: length })
      expect(await store.size(KEY)).toBe(length)
      expect((await bytesOf(store)).equals(bytes)).toBe(true)
      await using local = await store.openLocal(KEY)
      expect((await readFile(local.path)).equals(bytes)).toBe(true)
    })

    test('text is written as UTF-8', async () => {
      await using fixture = await open()
      expect(await fixture.store.write(KEY, Readable.from(['ä', 'b']))).toEqual({ bytes: 3 })
      expect((await bytesOf(fixture.store)).toString()).toBe('äb')
    })

    test('an older object is replaced', async () => {
      await using fixture = await open()
      const { store } = fixture
      await store.write(KEY, bodyOf(randomBytes(5000)))
      await store.write(KEY, bodyOf(Buffer.from('new')))
      expect((await bytesOf(store)).toString()).toBe('new')
    })

    test('a reader of an object that is replaced reads one of the two, whole', async () => {
      await using fixture = await open()
      const { store } = fixture
      const [old, replacement] = [randomBytes(500_000), randomBytes(400_000)]
      await store.write(KEY, bodyOf(old))
      const reading = await store.read(KEY)
      await store.write(KEY, bodyOf(replacement))
      expect((await buffer(reading)).equals(old)).toBe(true)
      expect((await bytesOf(store)).equals(replacement)).toBe(true)
    })

    test('of several writes at once one wins, whole', async () => {
      await using fixture = await open()
      const candidates = Array.from({ length: 5 }, () => randomBytes(100_000))
      await Promise.all(candidates.map((bytes) => fixture.store.write(KEY, bodyOf(bytes))))
      const winner = await bytesOf(fixture.store)
      expect(candidates.some((bytes) => bytes.equals(winner))).toBe(true)
    })

    test('writes and removals of neighbours do not disturb each other', async () => {
      await using fixture = await open()
      const { store } = fixture
      const comeAndGo = async (key: string): Promise<void> => {
        for (let round = 0; round < 40; round++) {
          await store.write(key, bodyOf(Buffer.from(key)))
          expect((await bytesOf(store, key)).toString()).toBe(key)
          await store.remove(key)
        }
      }
      await Promise.all(['a', 'b', 'c', 'd'].map((file) => comeAndGo(`results/job/${file}`)))
      expect(await fixture.leftovers()).toEqual([])
    })

    test('one that is not there', async () => {
      await using fixture = await open()
      const { store } = fixture
      expect(await store.size(KEY)).toBeUndefined()
      await expect(store.read(KEY)).rejects.toMatchObject({ code: 'payload.missing', retryable: false })
      await expect(store.openLocal(KEY)).rejects.toMatchObject({ code: 'payload.missing' })
      await store.remove(KEY)
      await store.write(`${KEY}.other`, bodyOf(randomBytes(1)))
      expect(await store.size(KEY)).toBeUndefined()
      expect(await store.size('uploads')).toBeUndefined()
      await expect(store.read('uploads')).rejects.toMatchObject({ code: 'payload.missing' })
    })

    test('a removed one is gone, and removing it again is no error', async () => {
      await using fixture = await open()
      const { store } = fixture
      await store.write(KEY, bodyOf(randomBytes(10)))
      await store.remove(KEY)
      await store.remove(KEY)
      expect(await store.size(KEY)).toBeUndefined()
      expect(await fixture.leftovers()).toEqual([])
    })

    test('one whose removal was aborted before stays', async () => {
      await using fixture = await open()
      const { store } = fixture
      await store.write(KEY, bodyOf(randomBytes(10)))
      const signal = AbortSignal.abort(new Error('too late'))
      await expect(store.remove(KEY, signal)).rejects.toThrow('too late')
      await expect(Array.fromAsync(store.list('uploads', signal))).rejects.toThrow('too late')
      expect(await store.size(KEY)).toBe(10)
    })

    test('check leaves nothing behind', async () => {
      await using fixture = await open()
      await Promise.all([fixture.store.check(), fixture.store.check()])
      expect(await fixture.leftovers()).toEqual([])
    })
  })
}
