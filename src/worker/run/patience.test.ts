import { describe, expect, test } from 'vitest'
import { JobStoreError } from '../../jobs/errors.ts'
import { PayloadError } from '../../payloads/errors.ts'
import { patiently } from './patience.ts'
import type { Patience } from './patience.ts'

const never = new AbortController().signal
const brief: Patience = { totalMs: 60_000, firstPauseMs: 1, longestPauseMs: 4 }
const away = new PayloadError('payload.unavailable', 'away')

/** An action that fails so often before it succeeds, and what it was told. */
function failing(times: number, error: Error): { run: () => Promise<string>; runs: number; paused: unknown[] } {
  const action = {
    runs: 0,
    paused: [] as unknown[],
    run: async () => {
      action.runs += 1
      if (action.runs <= times) throw error
      return 'there'
    },
  }
  return action
}

describe('patience with the payload store', () => {
  test('lasts until it is there again, and is told of once', async () => {
    const action = failing(5, away)
    expect(await patiently(action.run, never, (error) => action.paused.push(error), brief)).toBe('there')
    expect(action).toMatchObject({ runs: 6, paused: [away] })
  })

  test('is not asked for where all goes well', async () => {
    const action = failing(0, away)
    expect(await patiently(action.run, never, (error) => action.paused.push(error), brief)).toBe('there')
    expect(action).toMatchObject({ runs: 1, paused: [] })
  })

  test('ends', async () => {
    const action = failing(Infinity, away)
    await expect(patiently(action.run, never, () => undefined, { ...brief, totalMs: 20 })).rejects.toBe(away)
    expect(action.runs).toBeGreaterThan(1)
  })

  test('is for the jobs table as well', async () => {
    const action = failing(1, new JobStoreError('store.unavailable', 'away'))
    expect(await patiently(action.run, never, () => undefined, brief)).toBe('there')
  })

  test('does not begin a pause that would end after its own end', async () => {
    const action = failing(Infinity, away)
    const short = { totalMs: 10_000, firstPauseMs: 50_000, longestPauseMs: 50_000 }
    await expect(patiently(action.run, never, (error) => action.paused.push(error), short)).rejects.toBe(away)
    expect(action).toMatchObject({ runs: 1, paused: [] })
  })

  test('is for nothing else', async () => {
    const missing = new PayloadError('payload.missing', 'gone')
    const action = failing(1, missing)
    await expect(patiently(action.run, never, () => undefined, brief)).rejects.toBe(missing)
    expect(action.runs).toBe(1)
  })

  test('is over when the job is', async () => {
    const abort = new AbortController()
    const action = failing(Infinity, away)
    const cancel = (): void => abort.abort(new Error('cancelled'))
    const long = { ...brief, firstPauseMs: 50_000, longestPauseMs: 50_000 }
    await expect(patiently(action.run, abort.signal, cancel, long)).rejects.toThrow('cancelled')
    expect(action.runs).toBe(1)
  })
})
