import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { bodyOf } from './bodies.fixture.ts'
import { bytesOf } from './payload-store.fixture.ts'
import type { OpenStore } from './payload-store.fixture.ts'

/** Which keys are taken. */
export function describeKeys(name: string, open: OpenStore): void {
  describe(`${name}: keys`, () => {
    const refused = [
      '',
      '/',
      '/etc/passwd',
      'uploads/',
      'uploads//a',
      '.',
      '..',
      '../a',
      'uploads/../../a',
      'uploads/./a',
      'uploads/..',
      'uploads\\..\\a',
      'uploads/a b',
      'uploads/%2e%2e/a',
      'uploads/a\0.mp3',
      'uploads/a\n',
      'uploads/ä',
      'C:/a',
      `uploads/${'a'.repeat(256)}`,
      'a/'.repeat(600) + 'a',
    ]
    test.each(refused)('%j is refused', async (key) => {
      await using fixture = await open()
      const { store } = fixture
      const error = { name: 'PayloadError', code: 'payload.invalid_key', retryable: false }
      await expect(store.write(key, bodyOf(randomBytes(1)))).rejects.toMatchObject(error)
      await expect(store.size(key)).rejects.toMatchObject(error)
      await expect(store.read(key)).rejects.toMatchObject(error)
      await expect(store.openLocal(key)).rejects.toMatchObject(error)
      await expect(store.remove(key)).rejects.toMatchObject(error)
      expect(await fixture.leftovers()).toEqual([])
    })

    test.each(['a', 'results/x/1.json', 'tmp/a', '.a', 'a..b', '-', '_/A-z_0.9'])('%j is taken', async (key) => {
      await using fixture = await open()
      await fixture.store.write(key, bodyOf(Buffer.from(key)))
      expect((await bytesOf(fixture.store, key)).toString()).toBe(key)
    })
  })
}
