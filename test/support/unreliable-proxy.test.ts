import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { freePort } from './free-port.ts'
import { UnreliableProxy } from './unreliable-proxy.ts'

/** A server that sends back what it gets, and a proxy before it. */
async function open() {
  const echo = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined)
    socket.pipe(socket)
  })
  echo.listen(0, '127.0.0.1')
  await once(echo, 'listening')
  const { port } = echo.address() as AddressInfo
  const proxy = await UnreliableProxy.start({ host: '127.0.0.1', port })
  return {
    proxy,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]()
      echo.close()
      await once(echo, 'close')
    },
  }
}

async function connected(proxy: UnreliableProxy): Promise<Socket> {
  const socket = connect(proxy.port, '127.0.0.1')
  await once(socket, 'connect')
  // The proxy's end resets what is still open.
  socket.on('error', () => undefined)
  return socket
}

/** Sends, and says what came back until the connection ended. */
async function sent(socket: Socket, bytes: Buffer): Promise<Buffer> {
  socket.end(bytes)
  return Buffer.concat(await socket.toArray())
}

async function errorCode(socket: Socket): Promise<unknown> {
  const [error] = await once(socket, 'error')
  return error instanceof Error && 'code' in error ? error.code : error
}

const MEGABYTE = randomBytes(1_000_000)

describe('an unreliable proxy', () => {
  test.each([{ kind: 'pass' }, { kind: 'halve' }, { kind: 'delay', ms: 5 }] as const)(
    'forwards everything in order: $kind',
    async (weather) => {
      await using fixture = await open()
      fixture.proxy.become(weather)
      expect((await sent(await connected(fixture.proxy), MEGABYTE)).equals(MEGABYTE)).toBe(true)
    },
  )

  test('delays both ways', async () => {
    await using fixture = await open()
    fixture.proxy.become({ kind: 'delay', ms: 100 })
    const socket = await connected(fixture.proxy)
    const startedAt = performance.now()
    socket.write('ping')
    await once(socket, 'data')
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(199)
  })

  test('stalls connections that are open and those that come, and lets them go on', async () => {
    await using fixture = await open()
    const first = await connected(fixture.proxy)
    fixture.proxy.become({ kind: 'stall' })
    const second = await connected(fixture.proxy)
    const answers = Promise.all([sent(first, MEGABYTE), sent(second, MEGABYTE)])
    const arrived = Promise.race([once(first, 'data'), once(second, 'data')]).then(() => 'arrived')
    expect(await Promise.race([arrived, once(first, 'finish').then(() => 'stalled')])).toBe('stalled')
    fixture.proxy.become({ kind: 'pass' })
    for (const answer of await answers) expect(answer.equals(MEGABYTE)).toBe(true)
  })

  test('drops connections that are open and those that come, until the weather changes', async () => {
    await using fixture = await open()
    const first = await connected(fixture.proxy)
    first.write('ping')
    await once(first, 'data')
    fixture.proxy.become({ kind: 'drop' })
    expect(await errorCode(first)).toBe('ECONNRESET')
    expect(await errorCode(connect(fixture.proxy.port, '127.0.0.1'))).toBe('ECONNRESET')
    expect(fixture.proxy.connections).toBe(0)
    fixture.proxy.become({ kind: 'pass' })
    expect(await sent(await connected(fixture.proxy), Buffer.from('pong'))).toEqual(Buffer.from('pong'))
  })

  test('ends a connection whose target is not there', async () => {
    const port = await freePort()
    await using proxy = await UnreliableProxy.start({ host: '127.0.0.1', port })
    expect(await errorCode(connect(proxy.port, '127.0.0.1'))).toBe('ECONNRESET')
  })
})
