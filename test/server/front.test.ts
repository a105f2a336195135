import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ApiKeys } from '../../src/api/authentication/api-keys.ts'
import type { ApiParts } from '../../src/api/context.ts'
import type { Backend } from '../../src/backend.ts'
import { QueueView } from '../../src/jobs/queue/queue-view.ts'
import { bodyOf, startApi } from '../support/api.ts'
import type { ApiOptions, RunningApi } from '../support/api.ts'
import type { Client } from '../support/client.ts'
import { fixture } from '../support/clips.ts'

/** Of a body that is announced and never sent: whoever waits for it waits for ever. */
const ANNOUNCED = 80_000_000
const OPEN = new Set(['/healthz', '/readyz', '/metrics', '/openapi.json'])

interface Route {
  readonly method: string
  readonly url: string
}

const routes: Route[] = []
let running: RunningApi

beforeAll(async () => {
  const onMade = (made: unknown): void => {
    const { fastify } = made as { readonly fastify: FastifyInstance }
    fastify.addHook('onRoute', ({ method, url }) => {
      routes.push(...[method].flat().map((one) => ({ method: one, url })))
    })
  }
  subscribe('fastify.initialization', onMade)
  try {
    running = await startApi()
  } finally {
    unsubscribe('fastify.initialization', onMade)
  }
})

afterAll(() => running[Symbol.asyncDispose]())

/** A request whose headers are whole, and of whose body nothing comes. */
const headOf = ({ method, url }: Route, headers = ''): string =>
  `${method} ${url.replaceAll(/:\w+/g, 'x').replace('*', 'x')} HTTP/1.1\r\nHost: x\r\n${headers}Content-Length: ${ANNOUNCED}\r\n\r\n`

describe('who asks is known before a byte of the body is read', () => {
  test('every route is looked at, those too that no document shows', async () => {
    const { paths } = await running.client.json<{ paths: Record<string, Record<string, unknown>> }>(
      200,
      '/openapi.json',
    )
    const documented = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`),
    )
    const listed = routes.map(({ method, url }) => `${method} ${url}`)
    expect(listed).toEqual(expect.arrayContaining(documented))
    expect(listed).toEqual(expect.arrayContaining(['GET /v1/models/:id', 'POST /v1/input/uploads/:file']))
  })

  test('without a key each is answered with 401 or 403 and closed, though no body has come', async () => {
    const closed = routes.filter(
      ({ method, url }) => method !== 'OPTIONS' && !OPEN.has(url) && !url.startsWith('/docs'),
    )
    expect(closed.length).toBeGreaterThan(15)
    for (const route of closed) {
      for (const header of ['', 'Authorization: Bearer sotto_wrong\r\n']) {
        const answer = await running.send(headOf(route, header)).ended
        const [status] = /(?<=HTTP\/1\.1 )\d+/.exec(answer) ?? []
        expect([route, status]).toEqual([route, route.url.includes('/uploads/') ? '403' : '401'])
        expect(answer.toLowerCase()).toContain('connection: close')
      }
    }
  })

  test.each([
    ...[...OPEN].map((url) => ({ method: 'GET', url })),
    { method: 'GET', url: '/docs/' },
    { method: 'POST', url: '/v1/nothing' },
    { method: 'PUT', url: '/v1/%zz' },
    { method: 'OPTIONS', url: '/v1/input/uploads/x' },
  ])('$method $url reads no body either', async (route) => {
    expect(await running.send(headOf(route)).ended).toMatch(/^HTTP\/1\.1 (?:200|204|400|404)/)
  })

  test('a client that goes on sending after a refusal is cut off', async () => {
    await using own = await startApi({ limits: { lingerMs: 50 } })
    const { socket, ended } = own.send(headOf({ method: 'POST', url: '/v1/ent/x/x/x/x' }))
    const { promise: closed, resolve } = Promise.withResolvers<void>()
    socket.on('close', () => resolve())
    const sending = setInterval(() => socket.write(Buffer.alloc(1000)), 5)
    try {
      expect(bodyOf(await ended)).toMatchObject({ code: 401 })
      await closed
    } finally {
      clearInterval(sending)
    }
  })

  test('a client that asks before it sends is told to go on when its key is right, and else not', async () => {
    const route = { method: 'POST', url: '/v1/input/upload-url' }
    expect(await running.send(headOf(route, 'Expect: 100-continue\r\n')).ended).toMatch(/^HTTP\/1\.1 401/)
    const { socket } = running.send(
      `POST /v1/input/upload-url?extension=wav HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${running.key}\r\n` +
        'Expect: 100-continue\r\nContent-Length: 2\r\n\r\n',
    )
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 100/)
    socket.write('{}')
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 201/)
  })
})

describe('the limit of requests', () => {
  const LIMIT = 5
  let limited: RunningApi
  beforeAll(async () => {
    limited = await startApi({ environment: { SOTTO_MAX_REQUESTS_PER_SECOND: String(LIMIT) } })
  })
  afterAll(() => limited[Symbol.asyncDispose]())

  /** Asks until a second has brought a refusal, so that it does not matter how fast this machine is. */
  async function countUntilRefused(ask: (attempt: number) => Promise<Response>): Promise<Record<number, number>> {
    const counts: Record<number, number> = {}
    for (let attempt = 0; counts[429] === undefined && attempt < 2000; attempt += 20) {
      const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => ask(attempt + index)))
      for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1
    }
    return counts
  }

  test('is the key’s, in whatever way the header is written', async () => {
    const began = performance.now()
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, index) =>
        fetch(`${limited.url}/v1/models`, {
          headers: { authorization: `Bearer${' '.repeat(1 + index)}${limited.key}` },
        }),
      ),
    )
    const seconds = Math.ceil((performance.now() - began) / 1000) + 1
    const answered = answers.filter(({ status }) => status === 200).length
    expect(answered).toBeGreaterThan(0)
    expect(answered).toBeLessThanOrEqual(LIMIT * seconds)
  })

  test('holds for guesses by their address, each with another key; keys that are known go on', async () => {
    await using own = await startApi({ environment: { SOTTO_MAX_REQUESTS_PER_SECOND: String(LIMIT) } })
    await untilAnswered(own.client)
    const counts = await countUntilRefused((attempt) =>
      fetch(`${own.url}/v1/models`, { headers: { authorization: `Bearer guess-${attempt}` } }),
    )
    expect(counts).toEqual({ 401: expect.any(Number), 429: expect.any(Number) })
    await untilAnswered(own.client)
  })

  test('lets nobody try a key who has tried so many, be it a valid one', async () => {
    await using own = await startApi({ environment: { SOTTO_MAX_REQUESTS_PER_SECOND: String(LIMIT) } })
    const keys = new ApiKeys(own.backend.database)
    const ask = (key: string): Promise<Response> =>
      fetch(`${own.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })
    const tried: number[] = []
    // A second may end between the guesses and the key.
    for (let round = 0; round < 20 && !tried.includes(429); round++) {
      const { secret } = await keys.create('never used')
      await Promise.all(Array.from({ length: 3 * LIMIT }, (_, guess) => ask(`guess-${guess}`)))
      tried.push((await ask(secret)).status)
    }
    expect(tried).toContain(429)
  })

  test('holds for what there is not as well', async () => {
    await using own = await startApi({ environment: { SOTTO_MAX_REQUESTS_PER_SECOND: String(LIMIT) } })
    const counts = await countUntilRefused(() => fetch(`${own.url}/v1/nothing`, { method: 'POST' }))
    expect(counts).toEqual({ 404: expect.any(Number), 429: expect.any(Number) })
  })

  test.each(['/healthz', '/readyz', '/metrics'])('is none for those who watch over the server: %s', async (path) => {
    const answers = await Promise.all(Array.from({ length: 20 * LIMIT }, () => fetch(limited.url + path)))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
  })

  test('is not used up by whoever names an owner without a signature', async () => {
    await using own = await startApi({ environment: { SOTTO_MAX_REQUESTS_PER_SECOND: '20' } })
    const { urls } = await submitted(own)
    const owner = new URL(urls.GET).searchParams.get('owner') ?? ''
    for (let round = 0; round < 5; round++) {
      const asks = Array.from({ length: 50 }, () => fetch(`${own.url}/v1/async/requests/x?owner=${owner}`))
      for (const { status } of await Promise.all(asks)) expect([403, 429]).toContain(status)
      expect((await fetch(urls.GET)).status).toBe(200)
    }
  })
})

async function untilAnswered(client: Client): Promise<void> {
  await expect.poll(async () => (await client.fetch('/v1/models')).status).toBe(200)
}

async function submitted({ client }: RunningApi): Promise<{ id: string; urls: { GET: string } }> {
  const url = await client.uploadUrl('wav')
  expect((await fetch(url, { method: 'PUT', body: 'x' })).status).toBe(200)
  return await client.submit(url)
}

describe('JSON', () => {
  const ask = (body: string, headers: Record<string, string> = {}): Promise<Response> =>
    running.client.fetch('/v1/async/ent/tiyarofs/1/sotto/whisper-demo', { method: 'POST', body, headers })
  const messageOf = async (answer: Promise<Response>): Promise<readonly [number, string]> => {
    const response = await answer
    return [response.status, ((await response.json()) as { message: string }).message]
  }

  test('of more than a mebibyte: 413, announced or not', async () => {
    const large = `{"URL":"${'x'.repeat(2 ** 20)}"}`
    expect(await messageOf(ask(large))).toEqual([413, expect.stringContaining('1048576 bytes')])
    const body = new Blob([large]).stream()
    const chunked = running.client.fetch('/v1/input/upload-url?extension=wav', { method: 'POST', body, duplex: 'half' })
    expect(await messageOf(chunked)).toEqual([413, expect.stringContaining('1048576 bytes')])
  })

  test('that is deeply nested: 400, with whatever else, and brackets in texts do not count', async () => {
    const deep = '['.repeat(65) + ']'.repeat(65)
    expect(await messageOf(ask(`{"URL":"x","input":${deep}}`, { 'idempotency-key': 'a' }))).toEqual([
      400,
      expect.stringContaining('nested more than 64 deep'),
    ])
    expect(await messageOf(ask('['.repeat(500_000)))).toEqual([400, expect.stringContaining('nested')])
    const shallow = JSON.stringify({ URL: '"['.repeat(100), input: {} })
    expect(await messageOf(ask(shallow))).toEqual([400, expect.stringContaining('not an upload URL')])
  })

  test('of all requests together takes so much memory and no more: 503 that says when to come again', async () => {
    await using own = await startApi({ limits: { jsonBytesInFlight: 1200 } })
    const head = (bytes: number): string =>
      `POST /v1/input/upload-url?extension=wav HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${own.key}\r\nContent-Length: ${bytes}\r\n\r\n`
    const held = own.send(head(900) + ' '.repeat(800))
    const refused = async (): Promise<number> =>
      (await own.client.fetch('/v1/input/upload-url?extension=wav', { method: 'POST', body: ' '.repeat(300) + '{}' }))
        .status
    await expect.poll(refused).toBe(503)
    const answer = await own.send(head(302) + ' '.repeat(302)).ended
    expect(answer).toMatch(/^HTTP\/1\.1 503[\s\S]*\r\nretry-after: 5\r\n/)
    held.socket.destroy()
    await expect.poll(refused).toBe(201)
  })

  test('that does not arrive: 408, and the connection is closed', async () => {
    await using own = await startApi({ limits: { jsonMs: 100 } })
    const answer = await own.send(
      `POST /v1/input/upload-url HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${own.key}\r\nContent-Length: 10\r\n\r\n{`,
    ).ended
    expect(answer).toMatch(/^HTTP\/1\.1 408/)
    expect(bodyOf(answer)).toEqual({ code: 408, message: expect.stringContaining('did not arrive within 0.1 s') })
  })

  test('with any Content-Type, and gzipped', async () => {
    for (const type of ['nonsense', 'json', 'text/plain', 'application/json; charset', ';;']) {
      expect(await messageOf(ask('{"URL":"x","input":{}}', { 'content-type': type }))).toEqual([
        400,
        expect.stringContaining('not an upload URL'),
      ])
    }
    const gzipped = { method: 'POST', headers: { 'content-encoding': 'gzip' } }
    const packed = (text: string): Promise<Response> =>
      running.client.fetch('/v1/async/ent/tiyarofs/1/sotto/whisper-demo', {
        ...gzipped,
        body: new Uint8Array(gzipSync(text)),
      })
    expect(await messageOf(packed('{"URL":"x","input":{}}'))).toEqual([
      400,
      expect.stringContaining('not an upload URL'),
    ])
    expect(await messageOf(packed(' '.repeat(2 ** 20 + 1)))).toEqual([413, expect.stringContaining('1048576 bytes')])
    expect(await messageOf(ask('x', { 'content-encoding': 'zstd' }))).toEqual([415, expect.stringContaining('zstd')])
    const { id } = await submitted(running)
    for (const type of ['nonsense', 'json']) {
      const init = { method: 'DELETE', headers: { 'content-type': type } }
      expect((await running.client.fetch(`/v1/async/requests/${id}`, init)).status).toBe(409)
    }
  })

  test('whose input is wrong is looked at in its other fields as well', async () => {
    const cases = [
      { input: { beam_size: 'five' }, callback: 'x' },
      { input: { beam_size: 'five' }, priority: 'now' },
      { input: 'x', timeout: 'x' },
    ]
    for (const body of cases) {
      const other = Object.keys(body)[1] ?? ''
      expect(await messageOf(ask(JSON.stringify({ URL: 'x', ...body })))).toEqual([400, expect.stringContaining(other)])
    }
  })
})

describe('errors', () => {
  const odd: Readonly<Record<string, unknown>> = {
    typeError: new TypeError('a secret of the inside'),
    text: 'a secret of the inside',
    object: { odd: true, code: 7 },
    nothing: null,
    undefined,
    numericCode: Object.assign(new Error('a secret of the inside'), { code: 42 }),
    constructorCode: Object.assign(new Error('a secret of the inside'), { code: 'constructor' }),
    withCause: new Error('a secret of the inside', { cause: new RangeError('the cause') }),
    frozen: Object.freeze(new Error('a secret of the inside')),
    statusCode: Object.assign(new Error('a secret of the inside'), { statusCode: 404 }),
  }

  test.each(Object.keys(odd).flatMap((name) => [`/odd/${name}`, `/odd-sync/${name}`]))(
    'whatever is thrown at %s: 500 in the form of all, and the log says why',
    async (path) => {
      const extend: ApiOptions['extend'] = (api) => {
        const thrown = (params: unknown): unknown => odd[(params as { name: string }).name]
        api.get(
          '/odd/:name',
          { config: { access: 'open' } },
          async ({ params }) => await Promise.reject(thrown(params)),
        )
        api.get('/odd-sync/:name', { config: { access: 'open' } }, ({ params }) => {
          throw thrown(params)
        })
      }
      await using own = await startApi({ extend })
      const answer = await fetch(`${own.url}${path}?signature=secret`)
      expect([answer.status, await answer.json()]).toEqual([
        500,
        { code: 500, message: 'The server failed on this request. Its log says why.' },
      ])
      const line = own.log.find(({ msg }) => msg === 'a request failed')
      expect(line).toMatchObject({ level: 50, requestId: expect.any(String), method: 'GET', path })
      expect(JSON.stringify(own.log)).not.toContain('signature')
      expect((await fetch(`${own.url}/healthz`)).status).toBe(200)
    },
  )

  test('are logged with their causes', async () => {
    const extend: ApiOptions['extend'] = (api) => {
      api.get('/odd', { config: { access: 'open' } }, () => Promise.reject(odd['withCause'] as Error))
    }
    await using own = await startApi({ extend })
    await fetch(`${own.url}/odd`)
    expect(JSON.stringify(own.log.find(({ msg }) => msg === 'a request failed'))).toContain('the cause')
  })

  test.each([
    ['bad percent encoding', 'GET /v1/models/%zz HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['a parameter that is too long', `GET /v1/models/${'x'.repeat(1001)} HTTP/1.1\r\nHost: x\r\n\r\n`, 414],
    ['headers that are too large', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['no HTTP', 'HELLO\r\n\r\n', 400],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400],
    ['two hosts', 'GET /healthz HTTP/1.1\r\nHost: x\r\nhost: x\r\n\r\n', 400],
    ['no route', 'GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n', 404],
  ])('of HTTP have the same form: %s', async (_, text, status) => {
    const connection = running.send(text)
    await expect.poll(() => connection.received).toMatch(/\}$/)
    expect(connection.received).toMatch(/^HTTP\/1\.1 \d+/)
    const body = bodyOf(connection.received)
    expect(body).toEqual({ code: status, message: expect.any(String) })
    expect(connection.received.toLowerCase()).toContain('x-content-type-options: nosniff')
  })

  test('ids that are none never reach the database', async () => {
    const ids = [
      'x',
      '%00',
      '00000000-0000-4000-8000-00000000000g',
      `${'0'.repeat(8)}-0000-4000-8000-${'0'.repeat(12)}%00`,
    ]
    await using own = await startApi({
      parts: ({ jobs }) => ({
        jobs: new Proxy(jobs, {
          get: (store, name) => {
            if (name === 'find' || name === 'list') return () => Promise.reject(new Error('the database was asked'))
            const value: unknown = Reflect.get(store, name)
            return typeof value === 'function' ? (value as (...given: unknown[]) => unknown).bind(store) : value
          },
        }),
      }),
    })
    for (const id of ids) {
      for (const [method, end] of [
        ['GET', ''],
        ['DELETE', ''],
        ['POST', '/cancel'],
        ['POST', '/retry'],
      ] as const) {
        expect((await own.client.fetch(`/v1/async/requests/${id}${end}`, { method })).status).toBe(404)
      }
      expect((await own.client.fetch(`/v1/async/requests?before=${id}`)).status).toBe(400)
    }
  })
})

describe('headers', () => {
  test('say of every answer that it is what it says, and of what is a key’s that nobody is to keep it', async () => {
    const { urls } = await submitted(running)
    for (const answer of [
      await fetch(urls.GET),
      await running.client.fetch('/v1/models'),
      await fetch(`${running.url}/v1/models`),
    ]) {
      expect(answer.headers.get('cache-control')).toBe('no-store')
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    }
    const page = await fetch(`${running.url}/docs/`)
    expect(page.headers.get('x-content-type-options')).toBe('nosniff')
    expect(page.headers.get('content-security-policy')).not.toContain('upgrade-insecure-requests')
  })
})

describe('what anybody may ask', () => {
  test('/readyz looks once for all that ask within a second, also while it looks', async () => {
    const { promise: looked, resolve } = Promise.withResolvers<void>()
    let looks = 0
    const checkWorker = async (): Promise<void> => {
      looks += 1
      await looked
    }
    await using own = await startApi({ parts: () => ({ checkWorker }) })
    const asks = Array.from({ length: 12 }, () => fetch(`${own.url}/readyz`))
    await expect.poll(() => looks).toBe(1)
    resolve()
    for (const answer of await Promise.all(asks)) expect(answer.status).toBe(200)
    expect(looks).toBe(1)
  })

  test('/readyz says at once that the server stops, while a part of it does not answer', async () => {
    const draining = new AbortController()
    const { promise: never } = Promise.withResolvers<void>()
    await using own = await startApi({ parts: () => ({ checkWorker: () => never, draining: draining.signal }) })
    const asked = fetch(`${own.url}/readyz`)
    draining.abort()
    for (const answer of await Promise.all([asked, fetch(`${own.url}/readyz`)])) {
      expect([answer.status, await answer.json()]).toEqual([
        503,
        { status: 'stopping', checks: { database: 'not asked', payloads: 'not asked', worker: 'not asked' } },
      ])
    }
  })

  test('/metrics counts the queue again after a failure, and tells all else meanwhile', async () => {
    let isAway = true
    await using own = await startApi({
      parts: () => ({
        queue: Object.assign(Object.create(QueueView.prototype) as QueueView, {
          totals: () =>
            isAway
              ? Promise.reject(new Error('the database is away'))
              : Promise.resolve([{ model: 'm', serviceTier: 'cpuflex', status: 'pending', jobs: 3, audioSeconds: 5 }]),
        }),
      }),
    })
    const scrape = async (): Promise<string> => await (await fetch(`${own.url}/metrics`)).text()
    const away = await scrape()
    expect(away).toContain('process_cpu_seconds_total')
    expect(away).not.toContain('sotto_queue_jobs{')
    isAway = false
    await expect.poll(scrape).toContain('sotto_queue_jobs{model="m",tier="cpuflex",status="pending"} 3')
  })
})

describe('lists', () => {
  test('go on behind a job that was removed', async () => {
    const ids: string[] = []
    for (let count = 0; count < 53; count++) ids.unshift((await submitted(running)).id)
    const page = async (before?: string): Promise<readonly string[]> => {
      const query = before === undefined ? '' : `?before=${before}`
      const body = await running.client.json<{ requests: { id: string }[] }>(200, `/v1/async/requests${query}`)
      return body.requests.map(({ id }) => id)
    }
    expect(await page()).toEqual(ids.slice(0, 50))
    const last = ids[49] ?? ''
    const behind = await page(last)
    expect(behind.slice(0, 3)).toEqual(ids.slice(50))
    await running.client.fetch(`/v1/async/requests/${last}/cancel`, { method: 'POST' })
    expect((await running.client.fetch(`/v1/async/requests/${last}`, { method: 'DELETE' })).status).toBe(204)
    expect(await page(last)).toEqual(behind)
  })
})

test('DELETE has garbage cleared behind its answer', async () => {
  let rings = 0
  await using own = await startApi({ parts: () => ({ clearGarbage: () => void (rings += 1) }) })
  const { id } = await submitted(own)
  await own.client.fetch(`/v1/async/requests/${id}/cancel`, { method: 'POST' })
  expect(rings).toBe(0)
  const answer = await own.client.fetch(`/v1/async/requests/${id}`, { method: 'DELETE' })
  expect([answer.status, rings]).toEqual([204, 1])
})

test('a server has closed when nothing is left to do of a synchronous request that it broke off', async () => {
  const done: string[] = []
  const told = ({ jobs }: Backend): Partial<ApiParts> => ({
    jobs: new Proxy(jobs, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        return (...given: unknown[]): unknown => {
          done.push(String(name))
          return Reflect.apply(value, target, given)
        }
      },
    }),
  })
  await using own = await startApi({ parts: told })
  const body = await readFile(fixture('en-short.wav'))
  const answer = own.client.fetch('/v1/ent/tiyarofs/1/sotto/whisper-demo', { method: 'POST', body }).catch(() => null)
  // No worker takes it.
  await expect.poll(() => done).toContain('submit')
  const closed = own.api.close().then(() => done.push('closed'))
  await expect.poll(() => own.api.server.listening).toBe(false)
  own.api.server.closeAllConnections()
  await closed
  expect([await answer, done.slice(-2)]).toEqual([null, ['remove', 'closed']])
})
