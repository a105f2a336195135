import { describe, expect, test } from 'vitest'
import { KeyedMutex } from './keyed-mutex.ts'

describe('a mutex for each key', () => {
  test('is held by one at a time, who is asked to end when another one comes', async () => {
    const mutex = new KeyedMutex()
    const first = await mutex.acquire('a')
    expect([mutex.isHeld('a'), mutex.isHeld('b'), first.signal.aborted]).toEqual([true, false, false])
    const next = mutex.acquire('a')
    expect(first.signal.reason).toMatchObject({ code: 'payload.superseded', retryable: true })
    first[Symbol.dispose]()
    using second = await next
    expect(second.signal.aborted).toBe(false)
    expect(mutex.isHeld('a')).toBe(true)
  })

  test('keeps other keys out of it', async () => {
    const mutex = new KeyedMutex()
    using first = await mutex.acquire('a')
    using _ = await mutex.acquire('b')
    expect(first.signal.aborted).toBe(false)
  })

  test('lets in all who wait, one after the other, and each but the last one is asked to end', async () => {
    const mutex = new KeyedMutex()
    let holders = 0
    const seen: number[] = []
    const work = async (n: number): Promise<void> => {
      using hold = await mutex.acquire('a')
      expect((holders += 1)).toBe(1)
      const { promise: preempted, resolve } = Promise.withResolvers<void>()
      hold.signal.addEventListener('abort', () => resolve(), { once: true })
      if (n < 4 && !hold.signal.aborted) await preempted
      seen.push(n)
      holders -= 1
    }
    await Promise.all([0, 1, 2, 3, 4].map(work))
    expect(seen).toEqual([0, 1, 2, 3, 4])
    expect(mutex.isHeld('a')).toBe(false)
  })

  test('that is let go of twice stays the next one’s', async () => {
    const mutex = new KeyedMutex()
    const first = await mutex.acquire('a')
    first[Symbol.dispose]()
    using _ = await mutex.acquire('a')
    first[Symbol.dispose]()
    expect(mutex.isHeld('a')).toBe(true)
  })
})
