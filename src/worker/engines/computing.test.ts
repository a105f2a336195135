import pino from 'pino'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Computing } from './computing.ts'
import type { Computer } from './computing.ts'

const logger = pino({ level: 'silent' })
const open: Computing[] = []
afterEach(() => {
  for (const computing of open.splice(0)) computing[Symbol.dispose]()
})

const QUANTUM_MS = 5

function computingOf(limit: number, log = logger): Computing {
  const computing = new Computing({ limit, logger: log, quantumMs: QUANTUM_MS })
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

/** Is inside a window for as long as the test says; what it was asked last counts then, as of an engine. */
class SlowToPause extends Counted {
  readonly stopped = Promise.withResolvers<void>()
  #isToPause = false

  override async pause(): Promise<void> {
    this.#isToPause = true
    await this.stopped.promise
    if (this.#isToPause) await super.pause()
  }

  override resume(): void {
    this.#isToPause = false
    super.resume()
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

describe('when a quantum is over', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())
  const quantum = () => vi.advanceTimersByTimeAsync(QUANTUM_MS)
  const computingNow = (computers: readonly Counted[]) => computers.map(({ isComputing }) => isComputing)

  function joined<Joined extends Computer>(computing: Computing, computers: readonly Joined[]): readonly Joined[] {
    for (const computer of computers) computing.join(computer)
    return computers
  }

  test('nobody is interrupted who is alone', async () => {
    const one = new Counted()
    computingOf(1).join(one)
    await vi.advanceTimersByTimeAsync(1000)
    expect(one).toMatchObject({ isComputing: true, quanta: 1 })
  })

  test('nor who was not alone and is', async () => {
    const computing = computingOf(1)
    const [one, other] = [new Counted(), new Counted()]
    joined(computing, [one, other])
    computing.leave(other)
    await quantum()
    expect(one).toMatchObject({ isComputing: true, quanta: 1 })
  })

  test('who has computed longest hands on to who has waited longest', async () => {
    const computers = joined(computingOf(2), [new Counted(), new Counted(), new Counted(), new Counted()])
    const turns = [computingNow(computers)]
    for (let n = 0; n < 4; n++) {
      await quantum()
      turns.push(computingNow(computers))
    }
    expect(turns).toEqual([
      [true, true, false, false],
      [false, true, true, false],
      [false, false, true, true],
      [true, false, false, true],
      [true, true, false, false],
    ])
  })

  test('nobody is resumed before the one whose turn is over has stopped', async () => {
    const [slow, other] = [new SlowToPause(), new Counted()]
    joined(computingOf(1), [slow, other])
    await quantum()
    expect(other).toMatchObject({ isComputing: false, quanta: 0 })
    slow.stopped.resolve()
    await vi.advanceTimersByTimeAsync(0)
    expect(other).toMatchObject({ isComputing: true, quanta: 1 })
  })

  test('who leaves while it is being paused gets no other turn', async () => {
    const computing = computingOf(1)
    const [slow, other] = [new SlowToPause(), new Counted()]
    joined(computing, [slow, other])
    await quantum()
    computing.leave(slow)
    expect(other.isComputing).toBe(true)
    slow.stopped.resolve()
    await quantum()
    computing.leave(other)
    expect(slow.quanta).toBe(1)
    expect(other).toMatchObject({ isComputing: true, quanta: 1 })
  })

  test('who leaves and comes again while it is being paused computes as others do', async () => {
    const computing = computingOf(1)
    const [slow, other] = [new SlowToPause(), new Counted()]
    joined(computing, [slow, other])
    await quantum()
    computing.leave(other)
    computing.leave(slow)
    computing.join(slow)
    slow.stopped.resolve()
    await vi.advanceTimersByTimeAsync(0)
    expect(slow.isComputing).toBe(true)
  })

  test('nothing is changed any more after it was disposed', async () => {
    const computing = computingOf(1)
    const computers = joined(computing, [new Counted(), new Counted()])
    computing[Symbol.dispose]()
    await quantum()
    expect(computingNow(computers)).toEqual([true, false])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('one that can’t be paused is told of, and the others go on', async () => {
    const lines: string[] = []
    const computing = computingOf(1, pino({ level: 'error' }, { write: (line) => void lines.push(line) }))
    const other = new Counted()
    const broken: Computer = { pause: () => Promise.reject(new Error('it is stuck')), resume: () => undefined }
    joined(computing, [other, broken])
    await vi.advanceTimersByTimeAsync(0)
    expect(lines).toEqual([expect.stringContaining('it is stuck')])
    expect(other.isComputing).toBe(true)
  })
})
