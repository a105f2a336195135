import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { describe, expect, test } from 'vitest'
import { newSecret, secretBytes, signedHeaders } from './secret.ts'

const secretOf = (bytes: Uint8Array): string => `whsec_${Buffer.from(bytes).toString('base64')}`

describe('the signature', () => {
  test('is that of the vector which OpenAI’s verifier accepts', () => {
    const message = {
      id: 'msg_2KWPBgLlAfxdpx2AI54pPJ85f4W',
      at: new Date(1_674_087_231_999),
      body: '{"type":"job.success","timestamp":"2026-11-25T01:50:14.128Z","data":{"id":"faee9741-73b4-45b8-850a-ce6f5a5a9e5e"}}',
    }
    const secret = secretOf(Buffer.from('0123456789abcdef0123456789abcdef'))
    expect(secret).toBe('whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=')
    expect(signedHeaders(message, [secret])).toEqual({
      'webhook-id': 'msg_2KWPBgLlAfxdpx2AI54pPJ85f4W',
      'webhook-timestamp': '1674087231',
      'webhook-signature': 'v1,B68XEK25376TtzjtPxlBFcoBo96yH/TOBISREEZflrA=',
    })
  })

  test('of any body by any secret is taken by whoever has one of the secrets', () => {
    const bytes = fc.uint8Array({ minLength: 24, maxLength: 64 })
    fc.assert(
      fc.property(bytes, bytes, fc.json(), (one, other, body) => {
        const headers = signedHeaders({ id: 'evt_1', at: new Date(), body }, [secretOf(one), secretOf(other)])
        for (const known of [one, other]) {
          expect(new Webhook(secretOf(known)).verify(body, headers)).toEqual(JSON.parse(body))
        }
      }),
    )
  })
})

describe('a secret', () => {
  test('that is made has 256 bits, as receivers are given it', () => {
    expect(secretBytes(newSecret())).toHaveLength(32)
    expect(newSecret()).not.toBe(newSecret())
  })

  const wrong = [
    '',
    'whsec_',
    randomBytes(32).toString('base64'),
    secretOf(randomBytes(23)),
    secretOf(randomBytes(65)),
    `whsec_${randomBytes(32).toString('base64').replace('=', '')}`,
    `whsec_${Buffer.alloc(32, 255).toString('base64url')}`,
    `whsk_${randomBytes(32).toString('base64')}`,
    `${secretOf(randomBytes(32))}\n`,
  ]
  test.each(wrong)('is not %j, which the error does not quote', (text) => {
    const error = (() => {
      try {
        return secretBytes(text)
      } catch (thrown) {
        return thrown
      }
    })()
    expect(error).toMatchObject({ code: 'webhook.invalid', message: expect.stringContaining('24 to 64') })
    const quoted = text.slice(6, 20)
    expect(quoted.length > 10 && String(error).includes(quoted)).toBe(false)
  })
})
