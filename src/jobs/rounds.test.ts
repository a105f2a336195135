import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Rounds } from './rounds.ts'

describe('Rounds', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  const INTERVAL_MS = 1000

  function counting(round: () => Promise<void> = async () => undefined) {
    const errors: unknown[] = []
    let count = 0
    const run = async (): Promise<void> => {
      count += 1
      await round()
    }
    const running = new Rounds({ intervalMs: INTERVAL_MS, run, onError: (error) => errors.push(error) })
    return { running, errors, rounds: () => count }
  }

  test('come one after the other, never two at once', async () => {
    const slow = Promise.withResolvers<void>()
    const { running, rounds } = counting(() => slow.promise)
    await vi.advanceTimersByTimeAsync(10 * INTERVAL_MS)
    expect(rounds()).toBe(1)
    slow.resolve()
    await vi.advanceTimersByTimeAsync(3 * INTERVAL_MS)
    expect(rounds()).toBe(4)
    await running[Symbol.asyncDispose]()
  })

  test('go on after one that failed', async () => {
    const error = new Error('the disk is full')
    const { running, errors, rounds } = counting(() => Promise.reject(error))
    await vi.advanceTimersByTimeAsync(2 * INTERVAL_MS)
    expect(rounds()).toBe(2)
    expect(errors).toEqual([error, error])
    await running[Symbol.asyncDispose]()
  })

  test('end when it is disposed, which waits for the one that runs', async () => {
    const slow = Promise.withResolvers<void>()
    const { running, rounds } = counting(() => slow.promise)
    await vi.advanceTimersByTimeAsync(INTERVAL_MS)
    let isDisposed = false
    const disposed = running[Symbol.asyncDispose]().then(() => (isDisposed = true))
    await vi.advanceTimersByTimeAsync(INTERVAL_MS)
    expect(isDisposed).toBe(false)
    slow.resolve()
    await disposed
    await vi.advanceTimersByTimeAsync(10 * INTERVAL_MS)
    expect(rounds()).toBe(1)
  })

  test('leave the heartbeats a round when the machine slept', async () => {
    const { running, rounds } = counting()
    await vi.advanceTimersByTimeAsync(INTERVAL_MS)
    expect(rounds()).toBe(1)
    vi.setSystemTime(Date.now() + 60 * INTERVAL_MS)
    await vi.advanceTimersByTimeAsync(INTERVAL_MS)
    expect(rounds()).toBe(1)
    await vi.advanceTimersByTimeAsync(INTERVAL_MS)
    expect(rounds()).toBe(2)
    await running[Symbol.asyncDispose]()
  })
})
