import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'

/** The type of the message by which PostgreSQL delivers a notification. */
const NOTIFICATION = 'A'.charCodeAt(0)

/** A proxy before PostgreSQL that takes LISTEN and delivers no notification, as a transaction-pooling one does, while it is deaf. */
export class DeafProxy implements AsyncDisposable {
  deaf = true
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(port: number) {
    this.#server = createServer((client) => {
      const server = connect(port, '127.0.0.1')
      for (const [socket, other] of [
        [client, server],
        [server, client],
      ] as const) {
        this.#sockets.add(socket)
        socket.on('error', () => undefined)
        socket.on('close', () => {
          this.#sockets.delete(socket)
          other.destroy()
        })
      }
      client.pipe(server)
      let rest = Buffer.alloc(0)
      server.on('data', (bytes: Buffer) => {
        const { whole, remaining } = messages(Buffer.concat([rest, bytes]))
        rest = remaining
        for (const message of whole) if (!this.deaf || message[0] !== NOTIFICATION) client.write(message)
      })
    })
  }

  static async start(port: number): Promise<DeafProxy> {
    const proxy = new DeafProxy(port)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  /** The same URL by way of the proxy. */
  through(url: string): string {
    const parts = new URL(url)
    parts.port = String((this.#server.address() as AddressInfo).port)
    return parts.href
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

/** Each is a byte for its type and four for its length, which counts itself. */
function messages(bytes: Buffer): { readonly whole: readonly Buffer[]; readonly remaining: Buffer<ArrayBuffer> } {
  const whole: Buffer[] = []
  let at = 0
  while (bytes.length >= at + 5) {
    const end = at + 1 + bytes.readUInt32BE(at + 1)
    if (end > bytes.length) break
    whole.push(bytes.subarray(at, end))
    at = end
  }
  return { whole, remaining: Buffer.from(bytes.subarray(at)) }
}
