import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { createServer as createTlsServer } from 'node:tls'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { dnsServer } from '../../test/support/dns-server.ts'
import type { DnsServer } from '../../test/support/dns-server.ts'
import { LOOPBACK, METADATA, PRIVATE } from './addresses.fixture.ts'
import { OutboundClient } from './client.ts'
import { OutboundGuard } from './guard.ts'
import { dnsResolver } from './resolver.ts'

const { signal } = new AbortController()

/** What is connected to: a connection that gets here went past the guard, be it refused or not afterwards. */
let target: Server
let dns: DnsServer
let port: number
let connections: number
let headers: Record<string, unknown>[]

beforeAll(async () => {
  target = createServer((request, response) => {
    headers.push({ ...request.headers })
    if (request.url === '/moved') response.writeHead(302, { location: 'http://169.254.169.254/' })
    response.end('reached')
  })
  target.on('connection', () => (connections += 1))
  target.listen(0, '127.0.0.1')
  await once(target, 'listening')
  const address = target.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  port = address.port
  dns = await dnsServer((name, question) => {
    // A TTL of 0, and another answer each time: the first is harmless.
    if (name === 'rebinding.example') return question === 1 ? ['93.184.215.14'] : ['127.0.0.1']
    if (name === 'mixed.example') return ['127.0.0.1', '10.0.0.1']
    if (name === 'mapped.example') return ['::ffff:127.0.0.1']
    if (name === 'listed.example') return ['127.0.0.1']
    return name === 'silent.example' ? 'silent' : undefined
  })
})

afterAll(async () => {
  target.closeAllConnections()
  target.close()
  await dns[Symbol.asyncDispose]()
})

beforeEach(() => {
  connections = 0
  headers = []
})

function guardOf(...allow: string[]): OutboundGuard {
  return new OutboundGuard({ allow, resolve: dnsResolver([dns.address]) })
}

async function asked(url: string, guard: OutboundGuard): Promise<string> {
  await using client = new OutboundClient({ guard })
  try {
    const { statusCode, body } = await client.request(url, { method: 'GET', signal })
    return `${statusCode} ${await body.text()}`
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}

describe('a connection', () => {
  test.each([...LOOPBACK, ...PRIVATE, ...METADATA, 'localhost'])(
    'to %s is refused: no lookup is made for an address',
    async (host) => {
      expect(await asked(`http://${host}:${port}/`, guardOf())).toBe('outbound.refused')
      expect(connections).toBe(0)
    },
  )

  test('to most spellings of this machine would be made, were it not refused', async () => {
    const allowed = guardOf('127.0.0.0/8', '0.0.0.0/8', '::/0')
    const answers = await Promise.all(LOOPBACK.map((host) => asked(`http://${host}:${port}/`, allowed)))
    expect(answers.filter((answer) => answer === '200 reached').length).toBeGreaterThan(15)
  })

  test.each(['listed.example', 'mixed.example', 'mapped.example', 'unknown.example'])(
    'to %s is refused by its addresses',
    async (host) => {
      expect(await asked(`http://${host}:${port}/`, guardOf())).toBe('outbound.refused')
      expect(connections).toBe(0)
    },
  )

  test('is not made to what a name resolves to after it was judged', async () => {
    const guard = guardOf()
    const url = `http://rebinding.example:${port}/`
    expect((await guard.judge(url, signal)).href).toBe(url)
    expect(await asked(url, guard)).toBe('outbound.refused')
    expect(connections).toBe(0)
  })

  test('is made to the very answer that was checked: the name is asked for once', async () => {
    const before = dns.asked.length
    expect(await asked(`http://listed.example:${port}/`, guardOf('127.0.0.0/8'))).toBe('200 reached')
    expect(dns.asked.slice(before)).toEqual(['listed.example'])
    expect(headers).toMatchObject([{ host: `listed.example:${port}`, 'accept-encoding': 'identity' }])
    expect(headers[0]).not.toHaveProperty('authorization')
  })

  test('is refused when one of a name’s addresses is not listed', async () => {
    expect(await asked(`http://mixed.example:${port}/`, guardOf('127.0.0.0/8'))).toBe('outbound.refused')
    expect(connections).toBe(0)
  })

  test('says that the name servers are silent', async () => {
    expect(await asked(`http://silent.example:${port}/`, guardOf())).toBe('outbound.unresolved')
  }, 30_000)

  test('goes nowhere else: a redirect is an answer like others', async () => {
    expect(await asked(`http://127.0.0.1:${port}/moved`, guardOf('127.0.0.1'))).toBe('302 reached')
    expect(connections).toBe(1)
  })

  test('shows the server of a checked address the name that was asked for', async () => {
    const named: string[] = []
    const secure = createTlsServer({
      SNICallback: (name, callback) => {
        named.push(name)
        callback(new Error('no certificate'))
      },
    })
    secure.on('tlsClientError', () => undefined)
    secure.listen(0, '127.0.0.1')
    await once(secure, 'listening')
    const address = secure.address()
    const securePort = typeof address === 'object' ? address?.port : undefined
    await asked(`https://listed.example:${securePort}/`, guardOf('127.0.0.1'))
    expect(named).toEqual(['listed.example'])
    secure.close()
  })

  describe('with a proxy in the environment', () => {
    const saved = { ...process.env }
    beforeEach(() => {
      process.env['http_proxy'] = `http://127.0.0.1:${port}`
      process.env['NODE_USE_ENV_PROXY'] = '1'
    })
    afterEach(() => {
      process.env = { ...saved }
    })

    test('goes past it, which would resolve names by itself', async () => {
      expect(await asked('http://unknown.example/', guardOf())).toBe('outbound.refused')
      expect(connections).toBe(0)
    })
  })
})
