import { expect, test } from 'vitest'
import { Wakeup } from './wakeup.ts'

const never = new AbortController().signal

/** What has been waited for, by name, in turn. */
function waits(bell: Wakeup) {
  const woken: string[] = []
  return {
    woken,
    start: async (name: string, moment: number, signal: AbortSignal = never): Promise<void> => {
      await bell.since(moment, signal)
      woken.push(name)
    },
  }
}

test('a ring wakes all who wait, and nobody who comes later', async () => {
  const bell = new Wakeup()
  const { woken, start } = waits(bell)
  const [first, second] = [start('first', bell.now()), start('second', bell.now())]
  await Promise.resolve()
  expect(woken).toEqual([])
  bell.ring()
  await Promise.all([first, second])
  expect(woken).toEqual(['first', 'second'])
  const later = start('later', bell.now())
  await Promise.resolve()
  expect(woken).toHaveLength(2)
  bell.ring()
  await later
})

test('a ring between the moment and the wait is not lost', async () => {
  const bell = new Wakeup()
  const moment = bell.now()
  bell.ring()
  await bell.since(moment, never)
  expect(bell.now()).not.toBe(moment)
})

test('an abort ends the wait, and is waited for by nobody', async () => {
  const bell = new Wakeup()
  const abort = new AbortController()
  const { woken, start } = waits(bell)
  const aborted = start('aborted', bell.now(), abort.signal)
  const other = start('other', bell.now())
  abort.abort()
  await aborted
  expect(woken).toEqual(['aborted'])
  await bell.since(bell.now(), abort.signal)
  bell.ring()
  await other
})
