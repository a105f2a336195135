import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { Sotto } from '../src/index.ts'
import type { RequestForLog } from '../src/index.ts'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

const json =
  (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Answer =>
  (_request, response) =>
    response
      .writeHead(status, { 'content-type': 'application/json', 'x-request-id': 'r-1', ...headers })
      .end(JSON.stringify(body))

const MODELS = { data: [{ id: 'sotto/whisper-demo' }] }

/** A server that gives these answers in turn, and the last one from then on. */
async function serving(...answers: readonly Answer[]) {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    request.resume()
    answers[Math.min(requests.length, answers.length) - 1]?.(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    requests,
    baseUrl: `http://127.0.0.1:${port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

describe('a request', () => {
  test('has the key, and who asks', async () => {
    await using server = await serving(json(200, MODELS))
    const seen: RequestForLog[] = []
    const sotto = new Sotto({
      baseUrl: server.baseUrl,
      apiKey: () => Promise.resolve('k'),
      onRequest: (one) => seen.push(one),
    })
    expect(await sotto.models()).toEqual(MODELS.data)
    expect(server.requests[0]?.url).toBe('/v1/models')
    expect(server.requests[0]?.headers).toMatchObject({
      authorization: 'Bearer k',
      'sotto-client': expect.stringMatching(/^js\//),
    })
    expect(seen).toEqual([
      { method: 'GET', path: '/v1/models', attempt: 0, status: 200, requestId: 'r-1', durationMs: expect.any(Number) },
    ])
  })

  test.each([408, 429, 500, 502, 503, 504])('that is answered with %d is sent again', async (status) => {
    await using server = await serving(json(status, {}, { 'retry-after': '0.01' }), json(200, MODELS))
    expect(await new Sotto({ baseUrl: server.baseUrl }).models()).toEqual(MODELS.data)
    expect(server.requests).toHaveLength(2)
  })

  test('whose connection breaks is sent again', async () => {
    await using server = await serving((request) => request.socket.destroy(), json(200, MODELS))
    expect(await new Sotto({ baseUrl: server.baseUrl }).models()).toEqual(MODELS.data)
  })

  test.each([
    [400, 'BadRequest'],
    [401, 'Unauthorized'],
    [403, 'Forbidden'],
    [404, 'NotFound'],
    [409, 'Conflict'],
    [410, 'Gone'],
    [413, 'TooLarge'],
    [418, 'ApiError'],
    [422, 'Unprocessable'],
  ])('that is answered with %d fails at once with %s', async (status, name) => {
    await using server = await serving(json(status, { code: status, message: 'no' }))
    await expect(new Sotto({ baseUrl: server.baseUrl }).models()).rejects.toMatchObject({
      ...{ name, status, code: `http.${status}`, message: `${status}: no`, requestId: 'r-1', retryable: false },
    })
    expect(server.requests).toHaveLength(1)
  })

  test('is given up after so many tries', async () => {
    await using server = await serving(json(503, { message: 'busy' }, { 'retry-after-ms': '1' }))
    await expect(new Sotto({ baseUrl: server.baseUrl, maxRetries: 1 }).models()).rejects.toMatchObject({
      name: 'Unavailable',
    })
    expect(server.requests).toHaveLength(2)
  })

  test('that nobody answers times out', async () => {
    await using server = await serving(() => undefined)
    const sotto = new Sotto({ baseUrl: server.baseUrl, maxRetries: 0, timeoutMs: 20 })
    await expect(sotto.models()).rejects.toMatchObject({ name: 'TimedOut', retryable: true })
  })

  test('is not made under a signal that was aborted', async () => {
    await using server = await serving(json(200, MODELS))
    const reason = new Error('not now')
    await expect(new Sotto({ baseUrl: server.baseUrl }).models({ signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    )
    expect(server.requests).toHaveLength(0)
  })

  test('is aborted within the pause before the next try, with the signal’s own reason', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    await using server = await serving(json(503, {}, { 'retry-after': '60' }))
    const asked = new Sotto({ baseUrl: server.baseUrl, onRequest: () => controller.abort(reason) }).models({
      signal: controller.signal,
    })
    await expect(asked).rejects.toBe(reason)
  })

  test('to what is no Sotto says so', async () => {
    await using server = await serving((_request, response) => response.end('<html>'))
    await expect(new Sotto({ baseUrl: server.baseUrl }).models()).rejects.toMatchObject({ code: 'answer.invalid' })
  })

  test('an error tells a log neither key nor query', async () => {
    await using server = await serving(json(403, { message: 'no' }))
    const sotto = new Sotto({ baseUrl: server.baseUrl, apiKey: 'secret-key' })
    const error: unknown = await sotto
      .job(`${server.baseUrl}v1/async/requests/1?signature=secret`)
      .status()
      .catch((caught: unknown) => caught)
    expect(JSON.stringify(error)).not.toMatch(/secret/)
  })
})
