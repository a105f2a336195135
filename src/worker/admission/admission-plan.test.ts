import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { planAdmission } from './admission-plan.ts'
import type { Candidate, Resources } from './admission-plan.ts'
import type { Engine } from '../engines/engine-places.ts'

const BOUND_MS = 5000
const NOW_MS = 100_000

function candidate(model: string, given: Partial<Candidate> & { readonly bytes?: number } = {}): Candidate {
  const { bytes = 100, ...rest } = given
  const needs = { modelFolder: model, bytes, places: 4 }
  return { model, needs, isSuspect: false, isExpress: false, hasExpress: true, keptOutMs: 0, ...rest }
}

/** In use by a long task, and serving since long ago. */
function engine(modelFolder: string, given: Partial<Engine> = {}): Engine {
  return {
    ...{ modelFolder, bytes: 100, places: 4, isAlone: false, holders: 1, expressHolders: 0, takenPlaces: 1 },
    ...{ loadedAtMs: 0, servesSinceMs: 1000 },
    ...given,
  }
}

const idle = { holders: 0, takenPlaces: 0 }

function plan(candidates: readonly Candidate[], engines: readonly Engine[], given: Partial<Resources> = {}) {
  const { places, closed } = planAdmission(candidates, {
    ...{ engines, memoryBytes: 200, boundMs: BOUND_MS, nowMs: NOW_MS },
    ...given,
  })
  return { places: Object.fromEntries(places), closed: [...closed.keys()] }
}

test('models get their memory in the order of their queues, while there is some', () => {
  const { places } = plan([candidate('a'), candidate('b', { bytes: 150 }), candidate('c')], [])
  expect(places).toEqual({ a: { ordinary: 3, express: 1 }, c: { ordinary: 3, express: 1 } })
})

test('a model that is loaded has the places that are free, the last of them for short ones', () => {
  const places = (takenPlaces: number) =>
    plan([candidate('a')], [engine('a', { takenPlaces, holders: takenPlaces })]).places['a']
  expect([1, 2, 3].map(places)).toEqual([
    { ordinary: 2, express: 1 },
    { ordinary: 1, express: 1 },
    { ordinary: 0, express: 1 },
  ])
  expect(places(4)).toBeUndefined()
})

test('a place for short ones is offered to who has some', () => {
  expect(plan([candidate('a', { hasExpress: false })], []).places).toEqual({ a: { ordinary: 3, express: 0 } })
  const full = engine('a', { holders: 3, takenPlaces: 3 })
  expect(plan([candidate('a', { hasExpress: false })], [full]).places).toEqual({})
})

test('an idle model that has jobs stays for its quantum, whoever else waits', () => {
  const order = [candidate('c', { keptOutMs: BOUND_MS }), candidate('a')]
  const first = (servesSinceMs: number) =>
    Object.keys(
      plan(order, [engine('a', { ...idle, servesSinceMs, loadedAtMs: servesSinceMs - 1 })], { memoryBytes: 100 })
        .places,
    )
  expect(first(NOW_MS - BOUND_MS + 1)).toEqual(['a'])
  expect(first(NOW_MS - BOUND_MS)).toEqual(['c'])
})

test('an idle model goes for one that comes before it, and not for one behind it', () => {
  const loaded = [engine('a', idle), engine('b')]
  expect(Object.keys(plan([candidate('c'), candidate('a')], loaded).places)).toEqual(['c'])
  expect(Object.keys(plan([candidate('a'), candidate('c')], loaded).places)).toEqual(['a'])
})

test('an idle model that stays has its memory, and the places that its aborted tasks have left', () => {
  const loaded = [engine('a', { ...idle, takenPlaces: 1 })]
  expect(plan([candidate('a'), candidate('b'), candidate('c')], loaded).places).toEqual({
    a: { ordinary: 2, express: 1 },
    b: { ordinary: 3, express: 1 },
  })
  // One that goes for another is loaded anew later, in what is left.
  expect(Object.keys(plan([candidate('b'), candidate('c'), candidate('a')], loaded).places)).toEqual(['b', 'c'])
  expect(plan([candidate('a')], loaded, { memoryBytes: 100 }).places).toEqual({ a: { ordinary: 2, express: 1 } })
})

test('models that are one engine’s need its memory once', () => {
  const { needs } = candidate('a')
  const both = [candidate('a'), candidate('alias', { needs }), candidate('b')]
  expect(Object.keys(plan(both, [engine('a', idle)]).places)).toEqual(['a', 'alias', 'b'])
})

test('a model that is larger than all memory is let in alone', () => {
  const large = candidate('large', { bytes: 1000 })
  expect(Object.keys(plan([large], [engine('a', idle)]).places)).toEqual(['large'])
  expect(plan([large], [engine('a')]).places).toEqual({})
})

describe('a model that is kept out', () => {
  const young = candidate('c', { keptOutMs: BOUND_MS - 1 })
  const starving = candidate('c', { keptOutMs: BOUND_MS })
  const served = [engine('a'), engine('b', { servesSinceMs: 2000 })]

  test('is passed until it has been so for too long', () => {
    expect(plan([young, candidate('a')], served)).toEqual({ places: { a: { ordinary: 2, express: 1 } }, closed: [] })
  })

  test('then closes the engine that has served longest, whose memory it needs, and no other', () => {
    const { places, closed } = plan([candidate('a'), candidate('b'), starving], served)
    expect(closed).toEqual(['a'])
    expect(places).toMatchObject({ a: { ordinary: 0 }, b: { ordinary: 2 } })
  })

  test('closes, of those that have served as long, the one that was loaded first, whatever their order', () => {
    const as = (loadedAtMs: number, folder: string) => engine(folder, { loadedAtMs, servesSinceMs: 1000 })
    expect(plan([starving], [as(500, 'a'), as(200, 'b')]).closed).toEqual(['b'])
    expect(plan([starving], [as(200, 'a'), as(500, 'b')]).closed).toEqual(['a'])
  })

  test('is promised the memory of one that serves rather than of one that is still being loaded', () => {
    const loading = (loadedAtMs: number, folder: string) => engine(folder, { loadedAtMs, servesSinceMs: undefined })
    expect(plan([starving], [loading(0, 'a'), engine('b', { servesSinceMs: 2000 })]).closed).toEqual(['b'])
    // Of two that are being loaded, none is closed: neither has served.
    expect(plan([starving], [loading(500, 'a'), loading(200, 'b')]).closed).toEqual([])
  })

  test('closes no engine whose memory would be too little by itself beside one that is enough', () => {
    const engines = [engine('a', { bytes: 50 }), engine('b', { servesSinceMs: 2000, bytes: 100 })]
    expect(plan([starving], engines, { memoryBytes: 150 }).closed).toEqual(['b'])
  })

  test('closes none that was loaded a short while ago, by the bound or by what loading it took', () => {
    const since = (servesSinceMs: number | undefined, loadedAtMs = 90_000) =>
      plan([starving], [engine('a', { servesSinceMs, loadedAtMs, bytes: 200 })]).closed
    expect(since(undefined)).toEqual([])
    expect(since(NOW_MS - BOUND_MS + 1)).toEqual([])
    expect(since(NOW_MS - BOUND_MS)).toEqual(['a'])
    expect(since(NOW_MS - 10_000, NOW_MS - 21_000)).toEqual([])
    expect(since(NOW_MS - 10_000, NOW_MS - 20_000)).toEqual(['a'])
  })

  test('lets short ones in beside a long task that keeps it waiting anyway, and not beside short ones', () => {
    const beside = (given: Partial<Engine>) =>
      plan([starving, candidate('a')], [engine('a', { bytes: 200, ...given })]).places
    expect(beside({ holders: 2, takenPlaces: 2, expressHolders: 1 })).toEqual({ a: { ordinary: 0, express: 2 } })
    expect(beside({ holders: 2, takenPlaces: 2, expressHolders: 2 })).toEqual({})
  })

  test('is promised what is free, which goes to nobody else meanwhile', () => {
    const engines = [engine('a', { bytes: 120 })]
    const others = [candidate('small', { bytes: 50 }), candidate('smaller', { bytes: 20 })]
    expect(plan([...others, candidate('c', { bytes: 170 })], engines).places).toHaveProperty('small')
    const { places, closed } = plan([...others, candidate('c', { bytes: 170, keptOutMs: BOUND_MS })], engines)
    expect([Object.keys(places), closed]).toEqual([['smaller'], ['a']])
  })

  test('comes before who was kept out for less, and before the order of the queues', () => {
    const longest = candidate('d', { keptOutMs: 2 * BOUND_MS })
    expect(Object.keys(plan([candidate('a'), starving, longest], [], { memoryBytes: 100 }).places)).toEqual(['d'])
  })

  test('does not close for who has the memory of another one promised', () => {
    const longest = candidate('d', { keptOutMs: 2 * BOUND_MS })
    const engines = [engine('a'), engine('b', { servesSinceMs: 2000 })]
    expect(plan([starving, longest], engines).closed).toEqual(['a', 'b'])
    expect(plan([starving, longest, candidate('e', { keptOutMs: BOUND_MS })], engines).closed).toEqual(['a', 'b'])
  })
})

describe('a suspect', () => {
  const suspect = candidate('a', { isSuspect: true })

  test('has one place, in a process of its own', () => {
    expect(plan([suspect], [engine('a')]).places).toEqual({ a: { ordinary: 1, express: 0 } })
    expect(plan([{ ...suspect, isExpress: true }], []).places).toEqual({ a: { ordinary: 0, express: 1 } })
  })

  test('without memory for that waits at the head of its model’s queue, which only short ones pass', () => {
    const memory = { memoryBytes: 150 }
    expect(plan([suspect], [engine('a')], memory)).toEqual({
      places: { a: { ordinary: 0, express: 3 } },
      closed: ['a'],
    })
    expect(plan([{ ...suspect, isExpress: true }], [engine('a')], memory).places).toEqual({})
    expect(plan([suspect], [engine('a', idle)], memory).places).toEqual({ a: { ordinary: 1, express: 0 } })
  })
})

test('whatever waits and runs, what is let in fits together', () => {
  const models = ['a', 'b', 'c', 'd', 'e']
  const bytesOf = fc.integer({ min: 1, max: 120 })
  const engines = fc.uniqueArray(
    fc.record({ model: fc.constantFrom(...models), bytes: bytesOf, holders: fc.nat(3), served: fc.nat(20_000) }),
    { selector: ({ model }) => model },
  )
  const waiting = fc.uniqueArray(
    fc.record({ model: fc.constantFrom(...models), bytes: bytesOf, kept: fc.nat(10_000), isSuspect: fc.boolean() }),
    { selector: ({ model }) => model },
  )
  fc.assert(
    fc.property(engines, waiting, (loaded, given) => {
      const pool = loaded.map(({ model, bytes, holders, served }) =>
        engine(model, { bytes, holders, takenPlaces: holders, servesSinceMs: NOW_MS - served }),
      )
      const inUse = pool.filter(({ holders }) => holders > 0)
      const memoryBytes = Math.max(
        150,
        inUse.reduce((sum, { bytes }) => sum + bytes, 0),
      )
      const candidates = given.map(({ model, bytes, kept, isSuspect }) => {
        const shared = pool.find(({ modelFolder }) => modelFolder === model)
        return candidate(model, { bytes: shared?.bytes ?? bytes, keptOutMs: kept, isSuspect })
      })
      const { places } = plan(candidates, pool, { memoryBytes })
      const loads = candidates.filter(
        ({ model, isSuspect }) =>
          (places[model]?.ordinary ?? 0) > 0 && (isSuspect || !inUse.some(({ modelFolder }) => modelFolder === model)),
      )
      const total = [...inUse, ...loads.map(({ needs }) => needs)].reduce((sum, { bytes }) => sum + bytes, 0)
      expect(total).toBeLessThanOrEqual(memoryBytes)
    }),
  )
})
