import fc from 'fast-check'
import { expect, test } from 'vitest'
import { alternatives, choose } from './choice.ts'
import type { Candidate, Line } from './choice.ts'
import { MAX_URGENT_IN_A_ROW } from './queue-order.ts'
import { Room } from './room.ts'

const MODELS = ['a', 'b', 'c']
const KEYS = ['x', 'y']

const place = fc.record({ ordinary: fc.nat(3), express: fc.nat(3) })
const situation = fc.record({
  jobs: fc.array(
    fc.record({
      model: fc.constantFrom(...MODELS),
      keyId: fc.constantFrom(...KEYS),
      isExpress: fc.boolean(),
      isUrgent: fc.boolean(),
    }),
    { maxLength: 12 },
  ),
  places: fc.option(fc.tuple(place, place, place)),
  atMost: place,
  runningLimits: fc.tuple(fc.option(fc.nat(3)), fc.option(fc.nat(3))),
  running: fc.tuple(fc.nat(3), fc.nat(3)),
  urgentInARow: fc.nat(MAX_URGENT_IN_A_ROW + 1),
})

type Situation = typeof situation extends fc.Arbitrary<infer Value> ? Value : never

/** Urgent jobs first, as their ranks say. */
function candidatesOf({ jobs, runningLimits }: Situation): readonly Candidate[] {
  return jobs
    .map((job, sequence) => ({
      ...job,
      isExpress: job.isExpress || job.isUrgent,
      sequence,
      rank: sequence,
      readyForMs: 0,
      mostRunning: runningLimits[KEYS.indexOf(job.keyId)] ?? null,
    }))
    .sort((one, other) => Number(other.isUrgent) - Number(one.isUrgent) || one.rank - other.rank)
}

function roomOf({ places, atMost, running }: Situation): Room {
  const ofModels = places && new Map(MODELS.map((model, index) => [model, places[index] ?? atMost]))
  return new Room({ atMost, places: ofModels }, new Map(KEYS.map((key, index) => [key, running[index] ?? 0])))
}

function frontOf(candidates: readonly Candidate[]): { readonly urgent: Line; readonly others: Line } {
  const line = (isUrgent: boolean): Line => ({
    candidates: candidates.filter((one) => one.isUrgent === isUrgent),
    isCut: false,
  })
  return { urgent: line(true), others: line(false) }
}

test('takes one after the other what fits, the first first', () => {
  fc.assert(
    fc.property(situation, (given) => {
      const room = roomOf(given)
      const left = [...candidatesOf(given)]
      const expected: number[] = []
      let inARow = given.urgentInARow
      for (;;) {
        const fitting = left.filter((one) => room.fits(one))
        const next = (inARow >= MAX_URGENT_IN_A_ROW ? fitting.find((one) => !one.isUrgent) : undefined) ?? fitting[0]
        if (next === undefined) break
        room.take(next)
        left.splice(left.indexOf(next), 1)
        expected.push(next.sequence)
        inARow = next.isUrgent ? inARow + 1 : 0
      }
      const chosen = choose(frontOf(candidatesOf(given)), roomOf(given), given.urgentInARow)
      expect(chosen.map(({ sequence }) => sequence)).toEqual(expected)
    }),
  )
})

test('never takes more than there are places for, over all, of a model or of a key', () => {
  fc.assert(
    fc.property(situation, (given) => {
      const chosen = choose(frontOf(candidatesOf(given)), roomOf(given), given.urgentInARow)
      const within = (jobs: readonly Candidate[], { ordinary, express }: Situation['atMost']): void => {
        expect(jobs.length).toBeLessThanOrEqual(ordinary + express)
        expect(jobs.filter(({ isExpress }) => !isExpress).length).toBeLessThanOrEqual(ordinary)
      }
      within(chosen, given.atMost)
      for (const [index, model] of MODELS.entries()) {
        const most = given.places?.[index]
        if (most !== undefined)
          within(
            chosen.filter((one) => one.model === model),
            most,
          )
      }
      for (const [index, key] of KEYS.entries()) {
        const ofKey = chosen.filter(({ keyId }) => keyId === key).length
        const most = Math.max(0, (given.runningLimits[index] ?? Number.MAX_VALUE) - (given.running[index] ?? 0))
        expect(ofKey).toBeLessThanOrEqual(most)
      }
    }),
  )
})

const PLENTY = { atMost: { ordinary: 9, express: 0 }, places: null }
const candidate = (sequence: number, isUrgent = false): Candidate => ({
  ...{
    sequence,
    rank: sequence,
    isUrgent,
    isExpress: isUrgent,
    model: 'a',
    keyId: 'x',
    readyForMs: 0,
    mostRunning: null,
  },
})

test('takes nothing that may come behind what is not known', () => {
  const urgent = { candidates: [candidate(1, true)], isCut: true }
  const others = { candidates: [candidate(2)], isCut: true }
  const room = new Room(PLENTY)
  expect(choose({ urgent, others }, room, 0).map(({ sequence }) => sequence)).toEqual([1])
  expect(choose({ urgent, others }, room, MAX_URGENT_IN_A_ROW).map(({ sequence }) => sequence)).toEqual([2, 1])
  expect(choose({ urgent: { candidates: [], isCut: false }, others }, room, 0).map(({ sequence }) => sequence)).toEqual(
    [2],
  )
})

test('of what may be taken one for the other, each fits by itself, and the first is what is chosen first', () => {
  fc.assert(
    fc.property(situation, (given) => {
      const room = roomOf(given)
      const front = frontOf(candidatesOf(given))
      const found = alternatives(front, room, given.urgentInARow)
      expect(found.every((one) => room.fits(one))).toBe(true)
      expect(found[0]).toEqual(choose(front, room, given.urgentInARow)[0])
    }),
  )
})

test('leaves the room as it is', () => {
  const room = new Room(PLENTY)
  choose(frontOf([candidate(1)]), room, 0)
  expect(room.left).toBe(9)
})
