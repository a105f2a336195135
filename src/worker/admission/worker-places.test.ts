import { describe, expect, test } from 'vitest'
import { WorkerPlaces, isAny } from './worker-places.ts'

test('of a worker’s places the last ones are for short jobs, whoever has the others', () => {
  const places = new WorkerPlaces({ places: 2, expressPlaces: 2 })
  const seen = [places.free]
  const taken = [1, 2, 3, 4].map(() => {
    const one = places.take()
    seen.push(places.free)
    return one
  })
  expect(seen).toEqual([
    { ordinary: 2, express: 2 },
    { ordinary: 1, express: 2 },
    { ordinary: 0, express: 2 },
    { ordinary: 0, express: 1 },
    { ordinary: 0, express: 0 },
  ])
  // One that goes on beside them, when all are taken, makes none less than none.
  const beside = places.take()
  expect(places.free).toEqual({ ordinary: 0, express: 0 })
  beside[Symbol.dispose]()
  for (const one of taken) one[Symbol.dispose]()
  expect(places.free).toEqual({ ordinary: 2, express: 2 })
})

test('a place is given back once', () => {
  const places = new WorkerPlaces({ places: 2, expressPlaces: 0 })
  const one = places.take()
  places.take()
  one[Symbol.dispose]()
  one[Symbol.dispose]()
  expect(places.free).toEqual({ ordinary: 1, express: 0 })
})

describe('whether there is a place', () => {
  test.each([
    [undefined, false, false],
    [{ ordinary: 0, express: 0 }, false, false],
    [{ ordinary: 0, express: 1 }, false, true],
    [{ ordinary: 1, express: 0 }, true, true],
  ])('among %j: for any %s, for a short one %s', (places, any, short) => {
    expect([isAny(places, false), isAny(places, true)]).toEqual([any, short])
  })
})
