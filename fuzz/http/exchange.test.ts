import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { exchange, parseAnswer } from './exchange.ts'
import { faultOf } from './judgement.ts'

const NOTHING = 'nothing is wrong'
const get = { method: 'GET', target: '/v1/models' }

test.each([
  ['an answer', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}', NOTHING],
  ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n', NOTHING],
  [
    'an interim answer first',
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\n\r\n{"code":404,"message":"no"}',
    NOTHING,
  ],
  [
    'one more answer',
    'HTTP/1.1 404 No\r\ncontent-length: 27\r\n\r\n{"code":404,"message":"no"}HTTP/1.1 400 Bad\r\n\r\n',
    NOTHING,
  ],
  ['500', 'HTTP/1.1 500 No\r\n\r\n{"code":500,"message":"no"}', '500: '],
  ['503 in the right form', 'HTTP/1.1 503 No\r\n\r\n{"code":503,"message":"no"}', NOTHING],
  ['another code in the body', 'HTTP/1.1 404 No\r\n\r\n{"code":400,"message":"no"}', 'with a body that is no error'],
  [
    'one field too many',
    'HTTP/1.1 404 No\r\n\r\n{"code":404,"message":"no","error":"x"}',
    'with a body that is no error',
  ],
  ['a reason', 'HTTP/1.1 409 No\r\n\r\n{"code":409,"message":"no","reason":"key.last_admin"}', NOTHING],
  ['another reason', 'HTTP/1.1 409 No\r\n\r\n{"code":409,"message":"no","reason":"x"}', 'with a body that is no error'],
  ['no message', 'HTTP/1.1 404 No\r\n\r\n{"code":404,"message":""}', 'with a body that is no error'],
  ['no body', 'HTTP/1.1 417 No\r\n\r\n', 'with a body that is no error'],
])('%s', (_, text, fault) => {
  const answer = parseAnswer(Buffer.from(text))
  if (answer === undefined) throw new Error('it is an answer')
  expect(faultOf(get, answer) ?? NOTHING).toContain(fault)
})

test('a server that closes and one that says nothing are told apart', async () => {
  const silent = createServer(() => undefined)
  const closing = createServer((socket) => void socket.destroy())
  const outcomes: string[] = []
  for (const server of [silent, closing]) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    outcomes.push(
      (await exchange(url, Buffer.from('GET / HTTP/1.1\r\n\r\n'), { limitMs: server === silent ? 50 : 50_000 })).kind,
    )
    server.close()
  }
  expect(outcomes).toEqual(['silent', 'closed'])
})
