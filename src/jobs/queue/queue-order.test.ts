import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EXPRESS_SECONDS, countsAsExpress, laneOf, partsOfQueue, placeOf, queueOf } from './queue-order.ts'
import type { Placed } from './queue-order.ts'

const job = (audioSeconds: number, given: Partial<Placed> = {}): Placed => ({
  priority: 'normal',
  urgent: false,
  audioSeconds,
  ...given,
})

/** Plays submits through, all at time 0: the order in which the jobs are claimed. */
function order(submits: readonly (readonly [key: string, Placed])[]): readonly number[] {
  const last = new Map<string, number>()
  const places = submits.map(([key, placed], index) => {
    const line = `${key} ${laneOf(placed)}`
    const { rank } = placeOf(placed, 0, last.get(line))
    last.set(line, rank)
    return { index, rank }
  })
  return places.sort((one, other) => one.rank - other.rank).map(({ index }) => index)
}

describe('the order of claiming', () => {
  test('a voice note comes before the long files that its own key and others have submitted before', () => {
    const long = Array.from({ length: 50 }, () => ['a', job(10_800)] as const)
    expect(order([...long, ['a', job(10)]])[0]).toBe(50)
    expect(order([...long, ['b', job(10)]])[0]).toBe(50)
  })

  test('keys take turns, however much one of them has submitted before', () => {
    const submits = [
      ...Array.from({ length: 10 }, () => ['a', job(30)] as const),
      ['b', job(30)],
      ['b', job(30)],
    ] as const
    expect(
      order(submits)
        .slice(0, 4)
        .filter((index) => index >= 10),
    ).toHaveLength(2)
  })

  test('keys share by seconds of audio, not by jobs', () => {
    const submits = [
      ...Array.from({ length: 20 }, () => ['short', job(1000)] as const),
      ...Array.from({ length: 20 }, () => ['long', job(3000)] as const),
    ]
    const first = order(submits).slice(0, 12)
    const seconds = (key: string) =>
      first.reduce((sum, index) => sum + (submits[index]?.[0] === key ? (submits[index]?.[1].audioSeconds ?? 0) : 0), 0)
    expect(Math.abs(seconds('short') - seconds('long'))).toBeLessThanOrEqual(3000)
  })

  test('of one key and length is the order of acceptance', () => {
    expect(order([1, 2, 3].map(() => ['a', job(100)] as const))).toEqual([0, 1, 2])
  })

  test('priorities come one after the other', () => {
    const submits = (['low', 'normal', 'high'] as const).map((priority) => ['a', job(100, { priority })] as const)
    expect(order(submits)).toEqual([2, 1, 0])
  })

  test('what waits ages: a job of the lowest priority comes before one of the highest that is submitted much later', () => {
    const low = placeOf(job(3600, { priority: 'low' }), 1_000_000, undefined)
    const later = placeOf(job(10, { priority: 'high' }), 1_000_000 + 3 * 3600 + 1, undefined)
    expect(low.rank).toBeLessThan(later.rank)
  })

  test('an urgent job comes before all others', () => {
    const urgent = placeOf(job(60, { urgent: true, priority: 'low' }), 2e9, 2e6)
    expect(urgent.rank).toBeLessThan(placeOf(job(1, { priority: 'high' }), 1e9, undefined).rank)
  })

  test('urgent jobs of one key come behind each other, those of two take turns', () => {
    const urgent = job(60, { urgent: true })
    expect(
      order([
        ['a', urgent],
        ['a', urgent],
        ['a', urgent],
        ['b', urgent],
      ]).indexOf(3),
    ).toBeLessThan(2)
  })

  test('a job never starts before the one before it in its line has ended', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 2, maxLength: 20 }),
        (lengths) => {
          let rank: number | undefined
          for (const length of lengths) {
            const placed = job(length)
            const next = placeOf(placed, 100, rank)
            expect(next.rank).toBeGreaterThan(rank ?? 0)
            rank = next.rank
          }
        },
      ),
    )
  })

  test('short recordings and urgent ones have queues of their own', () => {
    const queue = (placed: Placed) => queueOf({ ...placed, serviceTier: 'cpuflex', model: 'openai/whisper-tiny' })
    expect(queue(job(EXPRESS_SECONDS))).toBe('cpuflex/express/openai/whisper-tiny')
    expect(queue(job(EXPRESS_SECONDS + 1))).toBe('cpuflex/ordinary/openai/whisper-tiny')
    expect(queue(job(1e6, { urgent: true }))).toBe('cpuflex/express/openai/whisper-tiny')
  })
})

describe('a key’s lines', () => {
  const ENDS = [EXPRESS_SECONDS, 600, 3600]
  const lane = (audioSeconds: number, given: Partial<Placed> = {}) => laneOf(job(audioSeconds, given))

  test('are one for each class of length, the ends within', () => {
    expect([0, 10, ...ENDS, 1e6].map((seconds) => lane(seconds))).toEqual(
      [EXPRESS_SECONDS, EXPRESS_SECONDS, ...ENDS, 3601].map((seconds) => lane(seconds)),
    )
    for (const end of ENDS) expect(lane(end + 0.01)).toBe(lane(end) + 1)
  })

  test('are others for each priority, and one for all that are urgent: none is for two', () => {
    const lengths = [1, ...ENDS.map((end) => end + 1)]
    const lanes = (['high', 'normal', 'low'] as const).flatMap((priority) =>
      lengths.map((seconds) => lane(seconds, { priority })),
    )
    const urgent = lengths.flatMap((seconds) => [
      lane(seconds, { urgent: true }),
      lane(seconds, { urgent: true, priority: 'low' }),
    ])
    expect(new Set(lanes).size).toBe(12)
    expect(new Set(urgent).size).toBe(1)
    expect(lanes).not.toContain(urgent[0])
  })

  test('have the numbers that stored jobs were given by versions before', () => {
    expect([
      lane(60, { priority: 'low' }),
      lane(61, { priority: 'normal' }),
      lane(4000, { priority: 'high' }),
      lane(1, { urgent: true }),
    ]).toEqual([8, 5, 3, 12])
  })
})

describe('a job’s place', () => {
  test('is its length behind its start, and that when the one before it in its line ends', () => {
    expect(placeOf(job(90, { priority: 'high' }), 1000, undefined)).toEqual({ virtualStart: 1000, rank: 1090 })
    expect(placeOf(job(90, { priority: 'high' }), 1000, 1500)).toEqual({ virtualStart: 1500, rank: 1590 })
    expect(placeOf(job(90, { priority: 'high' }), 1000, 900)).toEqual({ virtualStart: 1000, rank: 1090 })
  })

  test('is further behind by its priority, which its line has only once', () => {
    const first = placeOf(job(90), 1000, undefined)
    expect(first).toEqual({ virtualStart: 1000, rank: 1690 })
    expect(placeOf(job(90), 1000, first.rank)).toEqual({ virtualStart: 1090, rank: 1780 })
    expect(placeOf(job(90, { priority: 'low' }), 1000, undefined)).toEqual({ virtualStart: 1000, rank: 8290 })
  })

  test('takes a second at least, for jobs of no length to have an order', () => {
    expect(placeOf(job(0, { priority: 'high' }), 1000, undefined).rank).toBe(1001)
    expect(placeOf(job(0, { urgent: true }), 1000, undefined).rank).toBe(1.001)
  })

  test('of an urgent one is before all others, in the same order among them', () => {
    const urgent = job(90, { urgent: true, priority: 'low' })
    const first = placeOf(urgent, 1000, undefined)
    expect(first).toEqual({ virtualStart: 1000, rank: 1.09 })
    expect(placeOf(urgent, 1000, first.rank)).toEqual({ virtualStart: 1090, rank: 1.18 })
  })
})

test('whoever is urgent or short counts as express', () => {
  expect(countsAsExpress(job(EXPRESS_SECONDS))).toBe(true)
  expect(countsAsExpress(job(EXPRESS_SECONDS + 0.1))).toBe(false)
  expect(countsAsExpress(job(1e6, { urgent: true }))).toBe(true)
})

test('a queue’s name says what it was made of', () => {
  const model = 'openai/whisper-tiny'
  const parts = (audioSeconds: number) => partsOfQueue(queueOf({ ...job(audioSeconds), serviceTier: 'gpuflex', model }))
  expect(parts(10)).toEqual({ tier: 'gpuflex', isExpress: true, model })
  expect(parts(1000)).toEqual({ tier: 'gpuflex', isExpress: false, model })
})
