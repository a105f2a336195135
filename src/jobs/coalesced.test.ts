import { setTimeout } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { Coalesced } from './coalesced.ts'

/** An action whose runs are ended by hand, in order. */
function action() {
  const runs: PromiseWithResolvers<void>[] = []
  const errors: unknown[] = []
  const started = async (count: number): Promise<void> => {
    await expect.poll(() => runs.length, { interval: 1 }).toBe(count)
  }
  const act = (): Promise<void> => {
    const run = Promise.withResolvers<void>()
    runs.push(run)
    return run.promise
  }
  return { act, runs, started, errors, onError: (error: unknown) => void errors.push(error) }
}

describe('Coalesced', () => {
  test('does once what is asked for in one turn, and once more for all that is asked for meanwhile', async () => {
    const { act, runs, started, onError } = action()
    const coalesced = new Coalesced(act, 0, onError)
    coalesced.ask()
    coalesced.ask()
    await started(1)
    for (let n = 0; n < 5; n++) coalesced.ask()
    runs[0]?.resolve()
    await started(2)
    runs[1]?.resolve()
    await coalesced[Symbol.asyncDispose]()
    expect(runs).toHaveLength(2)
  })

  test('waits for the interval after each, but not at its end', async () => {
    const { act, runs, started, onError } = action()
    const coalesced = new Coalesced(act, 3_600_000, onError)
    coalesced.ask()
    await started(1)
    runs[0]?.resolve()
    await runs[0]?.promise
    coalesced.ask()
    // Whatever pause was shorter ends before this one, which began later.
    await setTimeout(5)
    expect(runs).toHaveLength(1)
    const disposed = coalesced[Symbol.asyncDispose]()
    await started(2)
    runs[1]?.resolve()
    await disposed
  })

  test('does again what failed, though nobody asks again, and gives up at its end', async () => {
    const { act, runs, started, errors, onError } = action()
    const coalesced = new Coalesced(act, 0, onError)
    coalesced.ask()
    await started(1)
    runs[0]?.reject(new Error('first'))
    await started(2)
    const disposed = coalesced[Symbol.asyncDispose]()
    runs[1]?.reject(new Error('second'))
    await disposed
    expect(errors).toEqual([new Error('first'), new Error('second')])
    expect(runs).toHaveLength(2)
  })
})
