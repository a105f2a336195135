import { createHmac } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { verifyWebhook } from '../src/verify-webhook.ts'

const KEY = Buffer.from('0123456789abcdef0123456789abcdef')
const SECRET = `whsec_${KEY.toString('base64')}`
const BODY = '{"type":"job.success","timestamp":"2026-11-25T01:50:14.128Z","data":{"id":"job-1"}}'

function headersOf({ body = BODY, key = KEY, at = Date.now() / 1000 } = {}): Record<string, string> {
  const timestamp = String(Math.floor(at))
  const signature = createHmac('sha256', key).update(`msg_1.${timestamp}.${body}`).digest('base64')
  return { 'webhook-id': 'msg_1', 'webhook-timestamp': timestamp, 'webhook-signature': `v1a,x v1,${signature}` }
}

describe('a webhook', () => {
  test('is read when its signature fits', async () => {
    expect(await verifyWebhook({ body: BODY, headers: headersOf(), secret: SECRET })).toMatchObject({
      type: 'job.success',
    })
    const headers = new Headers(headersOf())
    expect(await verifyWebhook({ body: BODY, headers, secret: [`whsec_${'A'.repeat(32)}`, SECRET] })).toMatchObject({
      data: { id: 'job-1' },
    })
  })

  const others: readonly (readonly [string, string, Record<string, string>, string])[] = [
    ['another body', `${BODY} `, headersOf(), SECRET],
    ['another secret', BODY, headersOf(), `whsec_${Buffer.alloc(32).toString('base64')}`],
    ['an hour ago', BODY, headersOf({ at: Date.now() / 1000 - 3600 }), SECRET],
    ['no time', BODY, { ...headersOf(), 'webhook-timestamp': 'now' }, SECRET],
    ['no signature', BODY, { ...headersOf(), 'webhook-signature': '' }, SECRET],
    ['a signature that is not base64', BODY, { ...headersOf(), 'webhook-signature': 'v1,%' }, SECRET],
  ]
  test.each(others)('is refused: %s', async (_, body, headers, secret) => {
    await expect(verifyWebhook({ body, headers, secret })).rejects.toMatchObject({ code: 'webhook.invalid' })
  })
})
