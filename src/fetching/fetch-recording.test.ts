import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { dnsServer } from '../../test/support/dns-server.ts'
import { OutboundClient } from '../outbound/client.ts'
import { OutboundGuard } from '../outbound/guard.ts'
import { dnsResolver } from '../outbound/resolver.ts'
import { fetchRecording } from './fetch-recording.ts'
import type { FetchOptions, FetchProgress } from './fetch-recording.ts'

const BYTES = randomBytes(300_000)
const ETAG = '"one"'
/** Buffers of this size are compared slowly. */
const digestOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
const WHOLE = digestOf(BYTES)

type Answers = (request: IncomingMessage, response: ServerResponse, count: number) => void

let answers: Answers
let requests: IncomingMessage[]
const server = createServer((request, response) => {
  requests.push(request)
  answers(request, response, requests.length)
})
let base: string

beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  base = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
})
beforeEach(() => {
  requests = []
  // What a test asks for that says nothing else.
  answers = (_request, response) => response.writeHead(404).end()
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

interface Given extends Partial<Omit<FetchOptions, 'client'>> {
  readonly guard?: OutboundGuard
  readonly idleTimeoutMs?: number
}

/** A digest of all bytes, or the code that it failed with; what goes wrong is not waited for longer than it takes. */
async function fetched(path: string, given: Given = {}): Promise<string> {
  const { guard = new OutboundGuard({ allow: ['127.0.0.0/8'] }), idleTimeoutMs = 10_000, ...options } = given
  await using client = new OutboundClient({ guard, idleTimeoutMs })
  const { signal } = new AbortController()
  const defaults = { maxBytes: 1e6, limitMs: 60_000, firstPauseMs: 1, signal }
  try {
    const { chunks } = await fetchRecording(new URL(path, base).href, { client, ...defaults, ...options })
    return digestOf(Buffer.concat(await Array.fromAsync(chunks)))
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error
    if (/secret|127\.0\.0\.1|10\.0/.test(error.message)) return `tells too much: ${error.message}`
    return String(error.code)
  }
}

/** A server that can go on, and breaks the first answers after so many bytes. */
function breaking(after: number, times: number, etagOf = (_count: number): string => ETAG): Answers {
  return (request, response, count) => {
    const etag = etagOf(count)
    const [, from = '0'] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? []
    const isPart = request.headers['if-range'] === etag
    const start = isPart ? Number(from) : 0
    const range = { 'content-range': `bytes ${start}-${BYTES.length - 1}/${BYTES.length}` }
    response.writeHead(isPart ? 206 : 200, {
      ...{ 'content-length': BYTES.length - start, 'accept-ranges': 'bytes', etag },
      ...(isPart ? range : {}),
    })
    if (count > times) response.end(BYTES.subarray(start))
    else response.write(BYTES.subarray(start, start + after), () => response.destroy())
  }
}

test('brings the bytes, tells how many there are, and asks for them uncompressed and without credentials', async () => {
  answers = (_request, response) => response.writeHead(200, { 'content-length': BYTES.length }).end(BYTES)
  const told: FetchProgress[] = []
  expect(await fetched('/a.wav?token=secret', { onProgress: (progress) => told.push(progress) })).toBe(WHOLE)
  expect(told.at(-1)).toEqual({ receivedBytes: BYTES.length, totalBytes: BYTES.length })
  const [{ headers, url } = {}] = requests
  expect(url).toBe('/a.wav?token=secret')
  expect(headers).toMatchObject({ 'accept-encoding': 'identity' })
  expect(Object.keys(headers ?? {}).filter((name) => /authorization|cookie|range/.test(name))).toEqual([])
})

describe('a connection that breaks', () => {
  test('is gone on with where it broke', async () => {
    answers = breaking(70_000, 3)
    expect(await fetched('/a.wav')).toBe(WHOLE)
    expect(requests.map(({ headers }) => headers.range)).toEqual([
      undefined,
      ...[70_000, 140_000, 210_000].map((from) => `bytes=${from}-`),
    ])
    expect(requests.at(-1)?.headers['if-range']).toBe(ETAG)
  })

  test('is begun anew while nothing has come', async () => {
    answers = breaking(0, 2)
    expect(await fetched('/a.wav')).toBe(WHOLE)
    expect(requests.map(({ headers }) => headers.range)).toEqual([undefined, undefined, undefined])
  })

  test('is gone on with by the date where there is no strong tag', async () => {
    const modified = 'Thu, 26 Nov 2026 10:00:00 GMT'
    answers = (request, response, count) => {
      const isPart = request.headers['if-range'] === modified
      response.writeHead(isPart ? 206 : 200, {
        ...{ etag: 'W/"weak"', 'last-modified': modified },
        ...(isPart ? { 'content-range': `bytes 1000-${BYTES.length - 1}/*` } : { 'content-length': BYTES.length }),
      })
      if (count === 1) response.write(BYTES.subarray(0, 1000), () => response.destroy())
      else response.end(BYTES.subarray(1000))
    }
    expect(await fetched('/a.wav')).toBe(WHOLE)
  })

  test('is begun anew by a server that ignores ranges, and what was there is passed over', async () => {
    answers = (_request, response, count) => {
      response.writeHead(200, { 'content-length': BYTES.length, etag: ETAG })
      if (count < 3) response.write(BYTES.subarray(0, 50_000 * count), () => response.destroy())
      else response.end(BYTES)
    }
    expect(await fetched('/a.wav')).toBe(WHOLE)
    expect(requests).toHaveLength(3)
  })

  test('ends it when another recording is there by then: halves of two are none', async () => {
    answers = breaking(70_000, 1, (count) => `"${count}"`)
    expect(await fetched('/a.wav')).toBe('fetch.interrupted')
    expect(requests[1]?.headers).toMatchObject({ range: 'bytes=70000-', 'if-range': '"1"' })
  })

  test('ends it when the server goes on elsewhere than it was asked to', async () => {
    answers = (_request, response, count) => {
      if (count === 1) {
        response.writeHead(200, { etag: ETAG }).write(BYTES.subarray(0, 100), () => response.destroy())
      } else
        response.writeHead(206, { etag: ETAG, 'content-range': 'bytes 50-149/300000' }).end(BYTES.subarray(50, 150))
    }
    expect(await fetched('/a.wav')).toBe('fetch.interrupted')
  })

  test('ends it when nothing tells whether the bytes are the same', async () => {
    answers = (_request, response) => {
      response.writeHead(200, { 'content-length': BYTES.length, 'accept-ranges': 'bytes' })
      response.write(BYTES.subarray(0, 100), () => response.destroy())
    }
    expect(await fetched('/a.wav')).toBe('fetch.interrupted')
    expect(requests).toHaveLength(1)
  })

  test('ends it when it always breaks, be it a little further each time', async () => {
    answers = breaking(10, 1e6)
    expect(await fetched('/a.wav')).toBe('fetch.interrupted')
    expect(requests.length).toBeLessThan(110)
  })
})

describe('a server that', () => {
  test.each([
    [401, 'fetch.forbidden'],
    [403, 'fetch.forbidden'],
    [404, 'fetch.not_found'],
    [410, 'fetch.not_found'],
    [400, 'fetch.bad_answer'],
    [204, 'fetch.bad_answer'],
    [206, 'fetch.bad_answer'],
    [304, 'fetch.bad_answer'],
    [451, 'fetch.bad_answer'],
  ])('answers %i is asked once: %s', async (status, code) => {
    answers = (_request, response) => response.writeHead(status).end()
    expect(await fetched('/secret.wav')).toBe(code)
    expect(requests).toHaveLength(1)
  })

  test.each([429, 500, 503])('answers %i is asked again', async (status) => {
    answers = (_request, response, count) =>
      count < 3 ? response.writeHead(status, { 'retry-after': '0' }).end() : response.end(BYTES)
    expect(await fetched('/a.wav')).toBe(WHOLE)
  })

  test('answers nothing else is given up', async () => {
    answers = (_request, response) => response.writeHead(503).end()
    expect(await fetched('/a.wav')).toBe('fetch.unreachable')
    expect(requests).toHaveLength(5)
  })

  test('breaks off each time before it answers is given up', async () => {
    answers = (request) => request.socket.destroy()
    expect(await fetched('/a.wav')).toBe('fetch.unreachable')
  })

  test('compresses all the same is not believed: nothing is inflated', async () => {
    answers = (_request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(BYTES)
    expect(await fetched('/a.wav')).toBe('fetch.bad_answer')
  })

  test('announces too much is not listened to', async () => {
    answers = (_request, response) => response.writeHead(200, { 'content-length': 2e6 }).write(BYTES)
    expect(await fetched('/a.wav')).toBe('fetch.too_large')
  })

  test('sends too much without a word is ended there', async () => {
    let sent = 0
    answers = (_request, response) => {
      const send = (): void => {
        if (response.destroyed) return
        sent += BYTES.length
        response.write(BYTES, () => setImmediate(send))
      }
      send()
    }
    expect(await fetched('/a.wav')).toBe('fetch.too_large')
    expect(sent).toBeLessThan(50e6)
  })

  test('announces more than it sends is asked for the rest, and given up', async () => {
    answers = (_request, response) => {
      response.writeHead(200, { 'content-length': BYTES.length + 1, etag: ETAG })
      response.write(BYTES, () => response.destroy())
    }
    expect(await fetched('/a.wav')).toBe('fetch.interrupted')
  })

  test('drips is too slow', async () => {
    answers = (_request, response) => {
      const dripping = setInterval(() => response.write('x'), 5)
      response.on('close', () => clearInterval(dripping))
    }
    expect(await fetched('/a.wav', { leastRate: { windowMs: 50, bytes: 1000 } })).toBe('fetch.too_slow')
  })

  test('stalls is left, and asked for the rest', async () => {
    answers = (request, response, count) => {
      if (count > 1) return breaking(0, 0)(request, response, count)
      response.writeHead(200, { 'content-length': BYTES.length, etag: ETAG }).write(BYTES.subarray(0, 1000))
    }
    expect(await fetched('/a.wav', { idleTimeoutMs: 50 })).toBe(WHOLE)
    expect(requests[1]?.headers.range).toBe('bytes=1000-')
  })

  test('takes longer than it may is ended', async () => {
    answers = (_request, response) => {
      const dripping = setInterval(() => response.write(Buffer.alloc(1000)), 5)
      response.on('close', () => clearInterval(dripping))
    }
    expect(await fetched('/a.wav', { limitMs: 200 })).toBe('fetch.too_slow')
  })
})

describe('a redirect', () => {
  const to =
    (location: string, status = 302): Answers =>
    (request, response) => {
      if (request.url === '/there') response.end(BYTES)
      else response.writeHead(status, { location }).end()
    }

  test.each([301, 302, 303, 307, 308])('of status %i is followed', async (status) => {
    answers = to('/there', status)
    expect(await fetched('/here')).toBe(WHOLE)
  })

  test('in circles is followed five times', async () => {
    answers = to('/here')
    expect(await fetched('/here')).toBe('fetch.refused')
    expect(requests).toHaveLength(6)
  })

  test.each([
    ...[
      'http://10.0.0.1/',
      'http://169.254.169.254/latest/meta-data/',
      'http://[::1]:8080/',
      'http://localhost/',
      'http://0/',
    ],
    ...[
      'http://192.168.1.1/',
      'http://[::ffff:10.0.0.1]/',
      'http://[64:ff9b::a00:1]/',
      'http://internal.example/',
      'http://vault.internal/',
    ],
    ...[
      'file:///etc/passwd',
      'ftp://example.com/',
      'http://me:secret@127.0.0.1/there',
      'http://127.0.0.1:22/',
      'gopher://127.0.0.1/',
      'http://',
    ],
  ])('to %s is refused', async (location) => {
    await using dns = await dnsServer((name) => (name === 'internal.example' ? ['10.0.0.7'] : undefined))
    const guard = new OutboundGuard({ allow: ['127.0.0.0/8'], resolve: dnsResolver([dns.address]) })
    answers = to(location)
    expect(await fetched('/here', { guard })).toBe('fetch.refused')
    expect(requests).toHaveLength(1)
  })
})

test('its caller ends it at any time', async () => {
  answers = (_request, response) => void response.writeHead(200).write(BYTES)
  const gone = new AbortController()
  const onProgress = (): void => gone.abort(new Error('cancelled'))
  await expect(fetched('/a.wav', { signal: gone.signal, onProgress })).rejects.toThrow('cancelled')
})
