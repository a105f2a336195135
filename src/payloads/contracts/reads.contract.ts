import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { bodyOf } from './bodies.fixture.ts'
import { KEY } from './payload-store.fixture.ts'
import type { OpenStore } from './payload-store.fixture.ts'
import type { PayloadStore } from '../payload-store.ts'

/** Parts of an object, and lists of objects. */
export function describeReads(name: string, open: OpenStore): void {
  describe(`${name}: ranges`, () => {
    test.each([
      [0, 0],
      [0, 1],
      [0, 100],
      [99, 100],
      [10, 20],
      [90, 200],
      [0, 2 ** 40],
      [100, 101],
      [5000, 6000],
    ])('of 100 bytes those from %d to before %d', async (start, end) => {
      await using fixture = await open()
      const bytes = randomBytes(100)
      await fixture.store.write(KEY, bodyOf(bytes))
      expect((await fixture.store.readRange(KEY, start, end)).equals(bytes.subarray(start, end))).toBe(true)
    })

    test('of nothing there is nothing', async () => {
      await using fixture = await open()
      await fixture.store.write(KEY, bodyOf(randomBytes(0)))
      expect(await fixture.store.readRange(KEY, 0, 10)).toHaveLength(0)
    })

    test('of an object that is not there', async () => {
      await using fixture = await open()
      for (const end of [0, 10]) {
        const read = fixture.store.readRange(KEY, 0, end)
        await expect(read).rejects.toMatchObject({ code: 'payload.missing', retryable: false })
      }
    })
  })

  describe(`${name}: lists`, () => {
    const keysOf = async (store: PayloadStore, folder: string): Promise<readonly string[]> =>
      (await Array.fromAsync(store.list(folder))).map(({ key }) => key).sort()

    test('name the objects of a folder alone, with their size and when they came', async () => {
      await using fixture = await open()
      const { store } = fixture
      const began = Date.now()
      const keys = ['results/a/1.json', 'results/a/2.json', 'results/b/1.json', 'results/c.json']
      for (const key of [...keys, 'resultsx/1', 'results-/1', 'uploads/1.mp3'])
        await store.write(key, bodyOf(Buffer.from(key)))
      expect(await keysOf(store, 'results')).toEqual(keys)
      expect(await keysOf(store, 'results/a')).toEqual(['results/a/1.json', 'results/a/2.json'])
      for await (const { key, bytes, modifiedAt } of store.list('results')) {
        expect(bytes).toBe(key.length)
        // Whole seconds are all that some stores tell, and clocks of file systems tick in milliseconds.
        expect(modifiedAt.getTime()).toBeGreaterThan(began - 2000)
        expect(modifiedAt.getTime()).toBeLessThan(Date.now() + 2000)
      }
    })

    test('of a folder that is not there are empty', async () => {
      await using fixture = await open()
      expect(await keysOf(fixture.store, 'results')).toEqual([])
    })

    test('may be left before their end, and objects be removed meanwhile', async () => {
      await using fixture = await open()
      const { store } = fixture
      const keys = Array.from({ length: 30 }, (_, n) => `results/${n}/1.json`)
      await Promise.all(keys.map((key) => store.write(key, bodyOf(Buffer.from(key)))))
      for await (const { key } of store.list('results')) {
        await store.remove(key)
        break
      }
      expect(await keysOf(store, 'results')).toHaveLength(29)
      for await (const { key } of store.list('results')) await store.remove(key)
      expect(await fixture.leftovers()).toEqual([])
    })

    test.each(['', '/', '..', 'results/', 'results/../uploads'])('of %j are refused', async (folder) => {
      await using fixture = await open()
      await expect(keysOf(fixture.store, folder)).rejects.toMatchObject({ code: 'payload.invalid_key' })
    })
  })
}
