import pino from 'pino'
import { afterEach, expect, test, vi } from 'vitest'
import { Turns } from './turns.ts'
import type { Player } from './turns.ts'

const logger = pino({ level: 'silent' })
const open: Turns[] = []
afterEach(() => {
  for (const turns of open.splice(0)) turns[Symbol.dispose]()
})

function turnsOf(limit: number): Turns {
  const turns = new Turns({ limit, logger, turnMs: 5 })
  open.push(turns)
  return turns
}

/** Computes from its resume to its pause, and keeps a count of its turns. */
class Computing implements Player {
  isPlaying = true
  turns = 0

  pause(): Promise<void> {
    this.isPlaying = false
    return Promise.resolve()
  }

  resume(): void {
    this.isPlaying = true
    this.turns += 1
  }
}

const playing = (players: readonly Computing[]): number => players.filter(({ isPlaying }) => isPlaying).length

test('no more compute at the same time than there is room for, and all get their turn', async () => {
  const turns = turnsOf(2)
  const players = [new Computing(), new Computing(), new Computing(), new Computing()]
  for (const player of players) turns.join(player)
  expect(playing(players)).toBe(2)
  await vi.waitFor(() => {
    expect(playing(players)).toBeLessThanOrEqual(2)
    for (const player of players) expect(player.turns).toBeGreaterThan(1)
  }, 120_000)
})

test('who leaves makes room at once', () => {
  const turns = turnsOf(1)
  const [one, other] = [new Computing(), new Computing()]
  turns.join(one)
  turns.join(other)
  expect([one.isPlaying, other.isPlaying]).toEqual([true, false])
  turns.leave(one)
  expect(other.isPlaying).toBe(true)
})

test('who waits and leaves is not called any more', () => {
  const turns = turnsOf(1)
  const [one, other] = [new Computing(), new Computing()]
  turns.join(one)
  turns.join(other)
  turns.leave(other)
  turns.leave(one)
  expect(other.turns).toBe(0)
})

test('alone, nobody is interrupted', () => {
  vi.useFakeTimers()
  try {
    const turns = turnsOf(1)
    const one = new Computing()
    turns.join(one)
    vi.advanceTimersByTime(1000)
    expect(one).toMatchObject({ isPlaying: true, turns: 1 })
  } finally {
    vi.useRealTimers()
  }
})
