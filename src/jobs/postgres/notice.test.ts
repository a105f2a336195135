import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { noticeOf, payloadsOf, probePayload } from './notice.ts'

const news = fc.record({
  claimable: fc.boolean(),
  cancelRequested: fc.array(fc.string({ maxLength: 60, unit: 'grapheme' })),
  finished: fc.array(fc.uuid(), { maxLength: 1_000, size: 'max' }),
})

describe('payloadsOf', () => {
  test('tells all news in their order, in payloads that PostgreSQL takes', () => {
    fc.assert(
      fc.property(news, (told) => {
        const payloads = payloadsOf('me', told)
        for (const payload of payloads) expect(Buffer.byteLength(payload)).toBeLessThan(8_000)
        const notices = payloads.map((payload) => noticeOf(payload))
        expect(notices.map((notice) => notice?.claimable)).toEqual([
          told.claimable,
          ...notices.slice(1).map(() => false),
        ])
        expect(notices.flatMap((notice) => notice?.cancelRequested)).toEqual(told.cancelRequested)
        expect(notices.flatMap((notice) => notice?.finished)).toEqual(told.finished)
        expect(new Set(notices.map((notice) => notice?.from))).toEqual(new Set(['me']))
      }),
      { numRuns: 50 },
    )
  })

  test('puts 200 ids into one payload', () => {
    const finished = Array.from({ length: 200 }, () => randomUUID())
    expect(payloadsOf(randomUUID(), { claimable: true, cancelRequested: [], finished })).toHaveLength(1)
  })
})

describe('noticeOf', () => {
  test.each(['', '{', 'null', '[]', '"x"', '{"from":1}', '{"finished":["1"]}'])('takes no %j', (payload) => {
    expect(noticeOf(payload)).toBeUndefined()
  })

  test('takes of a stranger what it understands', () => {
    const payload = '{"from":"later","claimable":1,"finished":["1",2],"cancelRequested":{},"paused":["3"]}'
    const known = { from: 'later', claimable: false, cancelRequested: [], finished: ['1'], probe: undefined }
    expect(noticeOf(payload)).toEqual(known)
  })

  test('knows a probe', () => {
    expect(noticeOf(probePayload('me', 'ping'))).toMatchObject({ from: 'me', probe: 'ping', claimable: false })
  })
})
