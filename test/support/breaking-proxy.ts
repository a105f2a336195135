import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'

/** How the server learns of a broken connection: at once, or not at all, as when a phone leaves its network. */
export type Break = 'closed' | 'silent'

export interface BreakingProxy extends AsyncDisposable {
  /** `http://…`, to be used instead of the server's. */
  readonly url: string
  /** Whether it has broken a connection yet. */
  readonly hasBroken: () => boolean
}

/** A TCP proxy that breaks the first connection that carries so many bytes to the server, having passed these on. */
export async function startBreakingProxy(
  serverUrl: string,
  breakAfterBytes: number,
  how: Break,
): Promise<BreakingProxy> {
  const port = Number(new URL(serverUrl).port)
  const sockets = new Set<Socket>()
  let hasBroken = false
  const keep = (socket: Socket): Socket => {
    sockets.add(socket)
    // A broken connection is what this is for.
    return socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
  }
  const proxy = createServer((given) => {
    const client = keep(given)
    const server = keep(connect(port, '127.0.0.1'))
    let bytes = 0
    client.on('data', (chunk: Buffer) => {
      const rest = breakAfterBytes - bytes
      bytes += chunk.length
      if (hasBroken || bytes < breakAfterBytes) {
        server.write(chunk)
        return
      }
      hasBroken = true
      if (how === 'closed') server.end(chunk.subarray(0, rest))
      else server.write(chunk.subarray(0, rest))
      client.removeAllListeners('close').destroy()
    })
    client.on('close', () => server.destroy())
    server.on('data', (chunk: Buffer) => client.write(chunk)).on('end', () => client.end())
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const address = proxy.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    hasBroken: () => hasBroken,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      proxy.close()
      await once(proxy, 'close')
    },
  }
}
