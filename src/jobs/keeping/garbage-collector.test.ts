import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { GarbageCollector } from './garbage-collector.ts'

/** A list of garbage in memory, and a store that counts. */
function fixtureOf(
  keys: readonly string[],
  remove: (key: string, signal: AbortSignal) => Promise<void> = async () => undefined,
  removalMs?: number,
) {
  const due = [...keys]
  const told = { removed: [] as string[], failed: [] as string[], untaken: [] as string[] }
  const seen = { removals: [] as string[], errors: [] as (string | null)[], atOnce: 0, mostAtOnce: 0, takes: 0 }
  const collector = new GarbageCollector({
    garbage: {
      take: async (limit) => {
        seen.takes += 1
        const taken = due.splice(0, limit)
        return { keys: taken, isLast: taken.length < limit }
      },
      removed: async (done) => void told.removed.push(...done),
      failed: async (done) => void told.failed.push(...done),
      untake: async (left) => void told.untaken.push(...left),
      forgetOld: async () => undefined,
    },
    payloads: {
      remove: async (key, signal) => {
        seen.removals.push(key)
        seen.mostAtOnce = Math.max(seen.mostAtOnce, ++seen.atOnce)
        try {
          await remove(key, signal)
        } finally {
          seen.atOnce -= 1
        }
      },
      list: async function* (folder) {
        yield { key: `${folder}/1.json` }
        yield { key: `${folder}/2.json` }
      },
    },
    onError: (_error, key) => seen.errors.push(key),
    ...(removalMs === undefined ? {} : { removalMs }),
  })
  return { collector, due, told, seen, [Symbol.asyncDispose]: () => collector[Symbol.asyncDispose]() }
}

const many = Array.from({ length: 250 }, (_, n) => `uploads/${n}.mp3`)

describe('the collector of garbage', () => {
  test('removes each payload once, however many ring', async () => {
    await using fixture = fixtureOf(many)
    const { collector, told, seen } = fixture
    for (let n = 0; n < 200; n++) collector.ring()
    await collector.clear()
    expect(seen.removals.toSorted()).toEqual(many.toSorted())
    expect(told.removed.toSorted()).toEqual(many.toSorted())
    expect(seen.takes).toBeLessThanOrEqual(6)
  })

  test('removes several at once, but not all', async () => {
    const { promise: go, resolve } = Promise.withResolvers<void>()
    await using fixture = fixtureOf(many, () => go)
    const { collector, seen } = fixture
    collector.ring()
    await expect.poll(() => seen.atOnce).toBe(8)
    resolve()
    await collector.clear()
    expect(seen.mostAtOnce).toBe(8)
  })

  test('goes on behind what can’t be removed, and says so', async () => {
    await using fixture = fixtureOf(many, async (key) => {
      if (key === many[0]) throw new Error('it is locked')
    })
    const { collector, told, seen } = fixture
    await collector.clear()
    expect(told.failed).toEqual([many[0]])
    expect(seen.errors).toEqual([many[0]])
    expect(told.removed).toHaveLength(249)
  })

  test.each([
    ['ends when it is told so', (signal: AbortSignal) => once(signal, 'abort').then(() => signal.throwIfAborted())],
    ['never ends', () => new Promise<void>(() => undefined)],
  ])('goes on behind a removal that hangs and %s, and tries it again later', async (_, hang) => {
    await using fixture = fixtureOf(
      [...many, 'results/one/'],
      async (key, signal) => {
        if (key === many[0] || key === 'results/one/1.json') await hang(signal)
      },
      20,
    )
    const { collector, told, seen } = fixture
    await collector.clear()
    expect(told.failed.toSorted()).toEqual(['results/one/', many[0]])
    expect(new Set(seen.errors)).toEqual(new Set(told.failed))
    expect(told.removed).toHaveLength(249)
    expect(seen.removals).not.toContain('results/one/2.json')
  })

  test('takes what was made garbage while it ran', async () => {
    const { promise: go, resolve } = Promise.withResolvers<void>()
    await using fixture = fixtureOf(['uploads/first.mp3'], () => go)
    const { collector, due, told, seen } = fixture
    collector.ring()
    await expect.poll(() => seen.atOnce).toBe(1)
    due.push('uploads/second.mp3')
    collector.ring()
    resolve()
    await collector.clear()
    expect(told.removed).toEqual(['uploads/first.mp3', 'uploads/second.mp3'])
  })

  test('removes all that lies below a folder', async () => {
    await using fixture = fixtureOf(['results/one/'])
    const { collector, seen, told } = fixture
    await collector.clear()
    expect(seen.removals).toEqual(['results/one/1.json', 'results/one/2.json'])
    expect(told.removed).toEqual(['results/one/'])
  })

  test('ends when it is disposed, and gives back what it has not begun', async () => {
    const { promise: go, resolve } = Promise.withResolvers<void>()
    const fixture = fixtureOf(many, () => go)
    const { collector, seen, told, due } = fixture
    collector.ring()
    await expect.poll(() => seen.atOnce).toBe(8)
    const ended = collector[Symbol.asyncDispose]()
    resolve()
    await ended
    expect(told.removed).toHaveLength(8)
    expect(told.untaken).toHaveLength(92)
    expect(due).toHaveLength(150)
  })
})
