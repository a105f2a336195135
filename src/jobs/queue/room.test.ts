import { describe, expect, test } from 'vitest'
import { Room } from './room.ts'
import type { Guest } from './room.ts'

const guest = (given: Partial<Guest> = {}): Guest => ({
  ...{ model: 'a', isExpress: false, keyId: 'key', mostRunning: null },
  ...given,
})
const short = guest({ isExpress: true })

describe('room for jobs', () => {
  test('is taken by short ones from the ordinary places first, and by no long one from the others', () => {
    const room = new Room({ atMost: { ordinary: 1, express: 1 }, places: null })
    expect([room.left, room.fits(guest()), room.fits(short)]).toEqual([2, true, true])
    room.take(short)
    expect([room.left, room.fits(guest()), room.fits(short)]).toEqual([1, false, true])
    room.take(short)
    expect([room.left, room.fits(guest()), room.fits(short)]).toEqual([0, false, false])
  })

  test('is that of the model and that over all', () => {
    const places = new Map([
      ['a', { ordinary: 1, express: 1 }],
      ['b', { ordinary: 5, express: 0 }],
      ['c', { ordinary: 0, express: 1 }],
    ])
    const room = new Room({ atMost: { ordinary: 2, express: 1 }, places })
    expect([room.models(false), room.models(true)]).toEqual([
      ['a', 'b'],
      ['a', 'b', 'c'],
    ])
    expect(['a', 'b', 'c', 'd'].map((model) => room.fits(guest({ model })))).toEqual([true, true, false, false])
    expect(['c', 'd'].map((model) => room.fits({ ...short, model }))).toEqual([true, false])
    room.take(guest())
    expect([room.models(false), room.models(true)]).toEqual([['b'], ['a', 'b', 'c']])
    room.take(guest({ model: 'b' }))
    expect([room.models(false), room.models(true)]).toEqual([[], ['a', 'b', 'c']])
    room.take({ ...short, model: 'b' })
    expect([room.left, room.models(true)]).toEqual([0, []])
    // What the caller gave is the caller's.
    expect(places.get('a')).toEqual({ ordinary: 1, express: 1 })
  })

  test('of any model is of all while there is some', () => {
    const room = new Room({ atMost: { ordinary: 0, express: 1 }, places: null })
    expect([room.models(false), room.models(true)]).toEqual([[], null])
  })

  test('of a key ends with its limit, by what runs and what is taken', () => {
    const room = new Room({ atMost: { ordinary: 9, express: 0 }, places: null })
    const one = guest({ mostRunning: 2 })
    room.see(new Map([['other', 2]]))
    const others = [2, 3, null].map((mostRunning) => room.fits(guest({ keyId: 'other', mostRunning })))
    expect([room.fits(one), others]).toEqual([true, [false, true, true]])
    room.take(one)
    expect(room.fits(one)).toBe(true)
    room.take(one)
    expect(room.fits(one)).toBe(false)
    room.see(new Map())
    expect(room.fits(one)).toBe(true)
  })

  test('is tried out on a copy', () => {
    const places = new Map([['a', { ordinary: 1, express: 0 }]])
    const room = new Room({ atMost: { ordinary: 1, express: 0 }, places }, new Map([['busy', 1]]))
    const copy = room.copy()
    expect(copy.fits(guest({ keyId: 'busy', mostRunning: 1 }))).toBe(false)
    copy.take(guest())
    expect([copy.fits(guest({ keyId: 'another' })), copy.left]).toEqual([false, 0])
    expect([room.fits(guest()), room.left]).toEqual([true, 1])
  })
})
