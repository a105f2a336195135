import { describe, expect, test } from 'vitest'
import { isOpenAiPath, openAiRateHeaders, rateHeaders } from './rate-headers.ts'
import type { Quota } from './rate-headers.ts'
import { RequestRate } from './request-rate.ts'

const [PER_SECOND, PER_MINUTE]: readonly Quota[] = [
  { requests: 2, window: 'second' },
  { requests: 3, window: 'minute' },
]

function rateAt(start: number) {
  let now = start
  return { rate: new RequestRate(() => now), pass: (ms: number) => (now += ms) }
}

describe('RequestRate', () => {
  test('counts each name for itself, and begins anew with the next window', () => {
    const { rate, pass } = rateAt(5000)
    expect(rate.take('a', PER_SECOND!)).toMatchObject({ remaining: 1, resetMs: 1000 })
    pass(300)
    expect(rate.take('a', PER_SECOND!)).toMatchObject({ remaining: 0, resetMs: 700 })
    expect(rate.take('b', PER_SECOND!).remaining).toBe(1)
    expect(() => rate.take('a', PER_SECOND!)).toThrow(expect.objectContaining({ status: 429 }))
    pass(700)
    expect(rate.take('a', PER_SECOND!)).toMatchObject({ remaining: 1, resetMs: 1000 })
  })

  test('counts a second and a minute apart', () => {
    const { rate, pass } = rateAt(0)
    for (let second = 0; second < 3; second++) {
      rate.take('a', PER_MINUTE!)
      rate.take('b', PER_SECOND!)
      pass(1000)
    }
    expect(() => rate.take('a', PER_MINUTE!)).toThrow('3 requests of one API key in a minute')
    rate.requireRoom('b', PER_SECOND!)
    pass(57_000)
    expect(rate.take('a', PER_MINUTE!).remaining).toBe(2)
  })

  test('says when to come again', () => {
    const { rate, pass } = rateAt(0)
    for (let request = 0; request < 3; request++) rate.take('a', PER_MINUTE!)
    pass(17_500)
    const headers = { 'retry-after': '43', ratelimit: '"requests";r=0;t=43', 'ratelimit-reset': '43' }
    const error = { headers: expect.objectContaining({ ...headers, 'x-ratelimit-reset-requests': '42.5s' }) }
    expect(() => rate.take('a', PER_MINUTE!)).toThrow(expect.objectContaining(error))
  })
})

describe('the headers of a quota', () => {
  const state = { quota: { requests: 100, window: 'minute' }, remaining: 7, resetMs: 1250 } as const

  test('are those of the drafts', () => {
    expect(rateHeaders(state)).toEqual({
      'ratelimit-policy': '"requests";q=100;w=60',
      ratelimit: '"requests";r=7;t=2',
      'ratelimit-limit': '100',
      'ratelimit-remaining': '7',
      'ratelimit-reset': '2',
    })
  })

  test.each([
    [0.2, '1ms'],
    [20, '20ms'],
    [1200, '1.2s'],
    [59_999.5, '1m0s'],
  ])('are those of OpenAI, with %d ms as %s', (resetMs, text) => {
    expect(openAiRateHeaders({ ...state, resetMs })).toEqual({
      'x-ratelimit-limit-requests': '100',
      'x-ratelimit-remaining-requests': '7',
      'x-ratelimit-reset-requests': text,
    })
  })

  test('are OpenAI’s on its routes alone', () => {
    const paths = [
      '/v1/audio/transcriptions',
      '/openai/v1/models',
      '/v1/models',
      '/v1/async/requests',
      '/v1/audiobooks',
    ]
    expect(paths.filter(isOpenAiPath)).toEqual(paths.slice(0, 2))
  })
})
