import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { sharedAnswer } from './shared-answer.ts'

const FRESH_MS = 1000

/** What is made when the test says so. */
function slow() {
  const made: PromiseWithResolvers<string>[] = []
  const ask = sharedAnswer(FRESH_MS, async () => {
    const next = Promise.withResolvers<string>()
    made.push(next)
    return await next.promise
  })
  return { made, ask }
}

describe('sharedAnswer', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  test('is made once for all that ask while it is being made, however long that takes', async () => {
    const { made, ask } = slow()
    const first = ask()
    vi.advanceTimersByTime(10 * FRESH_MS)
    const second = ask()
    expect(made).toHaveLength(1)
    made[0]?.resolve('one')
    expect(await Promise.all([first, second])).toEqual(['one', 'one'])
  })

  test('is made anew when it is no longer fresh, and not before', async () => {
    const { made, ask } = slow()
    const first = ask()
    made[0]?.resolve('one')
    await first
    vi.advanceTimersByTime(FRESH_MS - 1)
    expect(await ask()).toBe('one')
    vi.advanceTimersByTime(1)
    const next = ask()
    made[1]?.resolve('two')
    expect(await next).toBe('two')
  })

  test('a failure is told to those that waited, and not remembered', async () => {
    const { made, ask } = slow()
    const waiting = Promise.allSettled([ask(), ask()])
    made[0]?.reject(new Error('away'))
    expect((await waiting).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    const next = ask()
    made[1]?.resolve('two')
    expect(await next).toBe('two')
  })

  test('so is one that is thrown at once', async () => {
    let isAway = true
    const ask = sharedAnswer(FRESH_MS, () => {
      if (isAway) throw new Error('away')
      return Promise.resolve('there')
    })
    await expect(ask()).rejects.toThrow('away')
    isAway = false
    expect(await ask()).toBe('there')
  })
})
