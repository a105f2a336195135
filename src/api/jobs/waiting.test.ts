import type { FastifyRequest } from 'fastify'
import { describe, expect, test } from 'vitest'
import { waitOf } from './waiting.ts'

function asked(prefer: string | undefined, query?: string): ReturnType<typeof waitOf> {
  const headers = prefer === undefined ? {} : { prefer }
  return waitOf({ headers } as unknown as FastifyRequest, query)
}

describe('how long an answer may wait', () => {
  test.each([
    ['wait=10', 10],
    ['Wait = "10"', 10],
    ['respond-async, wait=10', 10],
    ['wait=10; foo=bar', 10],
    ['wait=10, wait=20', 10],
    ['wait=61', 60],
    ['wait', 60],
    ['wait=0', 0],
  ])('Prefer: %s says %s s', (prefer, seconds) => {
    expect(asked(prefer)).toEqual({ seconds, isPreferred: true })
  })

  test.each([
    [undefined],
    [''],
    ['respond-async'],
    ['waiting=1'],
    ['wait=-1'],
    ['wait=1.5'],
    ['wait=soon'],
    ['wait=9999999999'],
  ])('Prefer: %s says nothing', (prefer) => {
    expect(asked(prefer)).toBe(null)
  })

  test('the query counts before it', () => {
    expect(asked('wait=10', '5')).toEqual({ seconds: 5, isPreferred: false })
    expect(asked(undefined, '600')).toEqual({ seconds: 60, isPreferred: false })
  })
})
