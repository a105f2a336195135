import { randomBytes } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { signPath, verifyPath } from './presigned-url.ts'
import type { SignedRequest } from './presigned-url.ts'

const SECRET = randomBytes(32)
const NOW = new Date('2026-01-01T00:00:00Z')
const PUT: SignedRequest = {
  method: 'PUT',
  path: '/v1/payloads/uploads/0b7c2f9e.mp3',
  owner: 'key-1',
  expiresAt: new Date('2026-01-01T01:00:00Z'),
}

function verify(
  query: URLSearchParams | string | Record<string, string>,
  changed: Partial<SignedRequest> = {},
  now = NOW,
  secret = SECRET,
) {
  const { method, path } = { ...PUT, ...changed }
  return verifyPath(secret, { method, path, query: new URLSearchParams(query) }, now)
}

/** What the parameters of a signature say, however it is written. */
function parts(query: URLSearchParams): string {
  return JSON.stringify(['expires', 'owner', 'signature'].map((name) => query.getAll(name)))
}

const requests = fc.record({
  method: fc.constantFrom<'PUT' | 'GET'>('PUT', 'GET'),
  path: fc.webPath().map((path) => `/${path}`),
  owner: fc.string({ minLength: 1, unit: 'grapheme' }),
  expiresAt: fc.date({
    min: new Date('2026-01-02T00:00:00Z'),
    max: new Date('2100-01-01T00:00:00Z'),
    noInvalidDate: true,
  }),
})

describe('a signed path', () => {
  test('is valid until it expires', () => {
    const query = signPath(SECRET, PUT)
    expect(verify(query)).toEqual({ outcome: 'valid', owner: 'key-1' })
    expect(verify(query, {}, new Date('2026-01-01T00:59:59.999Z'))).toEqual({ outcome: 'valid', owner: 'key-1' })
    expect(verify(query, {}, PUT.expiresAt)).toEqual({ outcome: 'expired', owner: 'key-1' })
  })

  test('is valid whatever it stands for', () => {
    fc.assert(
      fc.property(requests, (request) => {
        expect(verify(signPath(SECRET, request), request)).toEqual({ outcome: 'valid', owner: request.owner })
      }),
    )
  })

  test('goes through a URL', () => {
    const url = new URL(`http://127.0.0.1:8080${PUT.path}?${signPath(SECRET, PUT)}`)
    expect(verify(url.search)).toMatchObject({ outcome: 'valid' })
  })

  test('may have further parameters', () => {
    expect(verify(`${signPath(SECRET, PUT)}&utm_source=x`)).toMatchObject({ outcome: 'valid' })
  })
})

describe('a path that is not as it was signed', () => {
  test('has another method, path, expiry or owner', () => {
    fc.assert(
      fc.property(requests, requests, fc.constantFrom('method', 'path', 'owner', 'expires'), (one, other, part) => {
        const query = new URLSearchParams(signPath(SECRET, one))
        const otherQuery = new URLSearchParams(signPath(SECRET, other))
        const changed = { ...one }
        if (part === 'method') changed.method = one.method === 'PUT' ? 'GET' : 'PUT'
        else if (part === 'path') changed.path = other.path
        else query.set(part, otherQuery.get(part) ?? '')
        fc.pre(part === 'method' || changed.path !== one.path || query.toString() !== signPath(SECRET, one))
        expect(verify(query, changed)).toEqual({ outcome: 'tampered' })
      }),
    )
  })

  test('has any character of its query changed', () => {
    const query = signPath(SECRET, PUT)
    fc.assert(
      fc.property(fc.nat(query.length - 1), fc.string({ minLength: 0, maxLength: 1 }), (at, replacement) => {
        const changed = new URLSearchParams(query.slice(0, at) + replacement + query.slice(at + 1))
        fc.pre(parts(changed) !== parts(new URLSearchParams(query)))
        expect(verify(changed)).toEqual({ outcome: 'tampered' })
      }),
      { numRuns: 1000 },
    )
  })

  test('is of another server', () => {
    expect(verify(signPath(SECRET, PUT), {}, NOW, randomBytes(32))).toEqual({ outcome: 'tampered' })
  })

  test('moves characters from one part into the next', () => {
    const query = new URLSearchParams(signPath(SECRET, PUT))
    const expires = query.get('expires') ?? ''
    const moved = (path: string, newExpires: string, owner: string) =>
      verify({ ...Object.fromEntries(query), expires: newExpires, owner }, { path })
    expect(moved(PUT.path, expires, PUT.owner)).toMatchObject({ outcome: 'valid' })
    expect(moved(PUT.path + expires.slice(0, 1), expires.slice(1), PUT.owner)).toEqual({ outcome: 'tampered' })
    expect(moved(PUT.path, expires.slice(0, -1), expires.slice(-1) + PUT.owner)).toEqual({ outcome: 'tampered' })
    expect(moved(`${PUT.path}","${expires}`, expires, PUT.owner)).toEqual({ outcome: 'tampered' })
  })

  test('is not said to have expired', () => {
    const query = new URLSearchParams(signPath(SECRET, PUT))
    query.set('owner', 'key-2')
    expect(verify(query, {}, new Date('2030-01-01'))).toEqual({ outcome: 'tampered' })
  })
})

describe('parameters of the wrong number or kind', () => {
  test('none at all: unsigned', () => {
    expect(verify('')).toEqual({ outcome: 'unsigned' })
    expect(verify('page=2')).toEqual({ outcome: 'unsigned' })
  })

  test.each(['expires', 'owner', 'signature'])('%s is missing, empty, repeated or written otherwise', (name) => {
    const good = new URLSearchParams(signPath(SECRET, PUT))
    const value = good.get(name) ?? ''
    for (const values of [[], [''], [value, value], [`0${value}`], [` ${value}`], [`${value}=`], [`${value}.0`]]) {
      const query = new URLSearchParams(good)
      query.delete(name)
      for (const each of values) query.append(name, each)
      expect(verify(query)).toEqual({ outcome: 'tampered' })
    }
  })

  test('garbage never throws and never passes', () => {
    const names = fc.constantFrom('expires', 'owner', 'signature', 'x')
    fc.assert(
      fc.property(fc.array(fc.tuple(names, fc.string({ unit: 'binary' }))), (pairs) => {
        expect(['tampered', 'unsigned']).toContain(verify(new URLSearchParams(pairs)).outcome)
      }),
    )
  })
})
