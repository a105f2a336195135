import pino from 'pino'
import { expect, test, vi } from 'vitest'
import { KeyUses } from './key-uses.ts'

type Ages = ReadonlyMap<string, number>

test('when keys were used is written once for all of them, however often that was', async () => {
  const written: Ages[] = []
  const uses = new KeyUses({ noteUses: (ages) => Promise.resolve(void written.push(ages)) }, pino({ level: 'silent' }))
  vi.useFakeTimers()
  try {
    for (let request = 0; request < 1000; request++) uses.note('a')
    vi.advanceTimersByTime(20_000)
    uses.note('b')
    expect(uses.at('a')?.getTime()).toBe(Date.now() - 20_000)
    expect(written).toEqual([])
    await vi.advanceTimersByTimeAsync(40_000)
    expect(written.map((ages) => [...ages])).toEqual([
      [
        ['a', 60],
        ['b', 40],
      ],
    ])
    expect(uses.at('a')).toBe(null)
    // Nobody asks: nothing is written.
    await vi.advanceTimersByTimeAsync(600_000)
    expect(written).toHaveLength(1)
    uses.note('c')
    await uses[Symbol.asyncDispose]()
    expect(written.at(-1)).toEqual(new Map([['c', 0]]))
  } finally {
    vi.useRealTimers()
  }
})

test('what can’t be written is in the log, and takes nothing else with it', async () => {
  const lines: string[] = []
  const logger = pino({ level: 'warn' }, { write: (line) => void lines.push(line) })
  const uses = new KeyUses({ noteUses: () => Promise.reject(new Error('the database is away')) }, logger)
  uses.note('a')
  await uses.flush()
  expect(lines.join('')).toContain('the database is away')
})
