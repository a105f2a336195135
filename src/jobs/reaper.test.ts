import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openDatabase } from './database.ts'
import { newJob } from './new-job.fixture.ts'
import { Reaper } from './reaper.ts'
import { SqliteJobStore } from './sqlite-store.ts'

describe('Reaper on a real store', () => {
  test('admits jobs, and takes leases back that have run out', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'sotto-reaper-'))
    await using database = await openDatabase(folder.path)
    const jobs = new SqliteJobStore(database)
    const { id } = await jobs.submit(newJob())
    const errors: unknown[] = []
    await using _ = new Reaper({ jobs, intervalMs: 5, crashes: 2, onError: (error) => errors.push(error) })
    const job = () => jobs.find(id)
    for (const crashes of [0, 1]) {
      await expect.poll(job, { interval: 5 }).toMatchObject({ status: 'pending', crashes })
      await jobs.claim({ asked: ['cpuflex'], served: 'cpuflex', leaseMs: 0 })
    }
    await expect.poll(job, { interval: 5 }).toMatchObject({ status: 'failed', crashes: 2 })
    expect(errors).toEqual([])
  })
})

describe("Reaper's rounds", () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  const INTERVAL_MS = 1000

  /** A store that counts, for what depends on nothing but the time. */
  function counting(reap: () => Promise<number> = async () => 0) {
    const errors: unknown[] = []
    let rounds = 0
    const jobs = {
      admit: async () => 0,
      reap: async () => {
        rounds += 1
        return await reap()
      },
    }
    const reaper = new Reaper({ jobs, intervalMs: INTERVAL_MS, crashes: 1, onError: (error) => errors.push(error) })
    return { reaper, errors, rounds: () => rounds }
  }

  test('come one after the other, never two at once', async () => {
    const slow = Promise.withResolvers<number>()
    const { reaper, rounds } = counting(() => slow.promise)
    await vi.advanceTimersByTimeAsync(10 * INTERVAL_MS)
    expect(rounds()).toBe(1)
    slow.resolve(0)
    await vi.advanceTimersByTimeAsync(3 * INTERVAL_MS)
    expect(rounds()).toBe(4)
    await reaper[Symbol.asyncDispose]()
  })

  test('go on after one that failed', async () => {
    const error = new Error('the disk is full')
    const { reaper, errors, rounds } = counting(() => Promise.reject(error))
    await vi.advanceTimersByTimeAsync(2 * INTERVAL_MS)
    expect(rounds()).toBe(2)
    expect(errors).toEqual([error, error])
    await reaper[Symbol.asyncDispose]()
  })

  test('end when it is disposed, which waits for the one that runs', async () => {
    const slow = Promise.withResolvers<number>()
    const { reaper, rounds } = counting(() => slow.promise)
    await vi.advanceTimersByTimeAsync(INTERVAL_MS)
    let isDisposed = false
    const disposed = reaper[Symbol.asyncDispose]().then(() => (isDisposed = true))
    await vi.advanceTimersByTimeAsync(INTERVAL_MS)
    expect(isDisposed).toBe(false)
    slow.resolve(0)
    await disposed
    await vi.advanceTimersByTimeAsync(10 * INTERVAL_MS)
    expect(rounds()).toBe(1)
  })

  test('leave the heartbeats a round when the machine slept', async () => {
    const { reaper, rounds } = counting()
    await vi.advanceTimersByTimeAsync(INTERVAL_MS)
    expect(rounds()).toBe(1)
    vi.setSystemTime(Date.now() + 60 * INTERVAL_MS)
    await vi.advanceTimersByTimeAsync(INTERVAL_MS)
    expect(rounds()).toBe(1)
    await vi.advanceTimersByTimeAsync(INTERVAL_MS)
    expect(rounds()).toBe(2)
    await reaper[Symbol.asyncDispose]()
  })
})
