import pino from 'pino'
import { afterEach, expect, test, vi } from 'vitest'
import { Computing } from './computing.ts'
import type { Computer } from './computing.ts'

const logger = pino({ level: 'silent' })
const open: Computing[] = []
afterEach(() => {
  for (const computing of open.splice(0)) computing[Symbol.dispose]()
})

function computingOf(limit: number): Computing {
  const computing = new Computing({ limit, logger, quantumMs: 5 })
  open.push(computing)
  return computing
}

/** Computes from its resume to its pause, and keeps a count of its quanta. */
class Counted implements Computer {
  isComputing = true
  quanta = 0

  pause(): Promise<void> {
    this.isComputing = false
    return Promise.resolve()
  }

  resume(): void {
    this.isComputing = true
    this.quanta += 1
  }
}

const atOnce = (computers: readonly Counted[]): number => computers.filter(({ isComputing }) => isComputing).length

test('no more compute at the same time than there are cores for, and none is left out', async () => {
  const computing = computingOf(2)
  const computers = [new Counted(), new Counted(), new Counted(), new Counted()]
  for (const computer of computers) computing.join(computer)
  expect(atOnce(computers)).toBe(2)
  await vi.waitFor(() => {
    expect(atOnce(computers)).toBeLessThanOrEqual(2)
    for (const computer of computers) expect(computer.quanta).toBeGreaterThan(1)
  }, 120_000)
})

test('who leaves makes room at once', () => {
  const computing = computingOf(1)
  const [one, other] = [new Counted(), new Counted()]
  computing.join(one)
  computing.join(other)
  expect([one.isComputing, other.isComputing]).toEqual([true, false])
  computing.leave(one)
  expect(other.isComputing).toBe(true)
})

test('who is paused and leaves is not resumed any more', () => {
  const computing = computingOf(1)
  const [one, other] = [new Counted(), new Counted()]
  computing.join(one)
  computing.join(other)
  computing.leave(other)
  computing.leave(one)
  expect(other.quanta).toBe(0)
})

test('alone, nobody is interrupted', () => {
  vi.useFakeTimers()
  try {
    const computing = computingOf(1)
    const one = new Counted()
    computing.join(one)
    vi.advanceTimersByTime(1000)
    expect(one).toMatchObject({ isComputing: true, quanta: 1 })
  } finally {
    vi.useRealTimers()
  }
})
