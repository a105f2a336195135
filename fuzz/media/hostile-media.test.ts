import { describe, expect, test } from 'vitest'
import { HOSTILE_NAMES, hostileMedia } from './hostile-media.ts'
import { mutate } from './mutate.ts'
import { randomOf } from '../../test/support/random.ts'

describe('hostile media', () => {
  test('come in all their shapes, none too large to be sent', () => {
    const random = randomOf(1)
    const names = new Set<string>()
    for (let left = 1200; left > 0; left--) {
      const { name, bytes } = hostileMedia(random)
      names.add(name)
      expect(bytes.length).toBeGreaterThan(0)
      expect(bytes.length).toBeLessThan(8 * 2 ** 20)
    }
    expect([...names].sort()).toEqual([...HOSTILE_NAMES].sort())
  })

  test('are the same again from the same seed', () => {
    const [one, other] = [randomOf(7), randomOf(7)]
    for (let left = 100; left > 0; left--) {
      const first = hostileMedia(one)
      const again = hostileMedia(other)
      expect(again.name).toBe(first.name)
      expect(again.bytes.equals(first.bytes)).toBe(true)
      expect(mutate(other, again.bytes).equals(mutate(one, first.bytes))).toBe(true)
    }
  })

  test('a mutation leaves the original as it is', () => {
    const random = randomOf(3)
    const original = Buffer.from('RIFF\x24\0\0\0WAVEfmt ', 'latin1')
    const copy = Buffer.from(original)
    for (let left = 500; left > 0; left--) mutate(random, original)
    expect(original.equals(copy)).toBe(true)
  })
})
