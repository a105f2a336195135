import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, Server, ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { PROJECT } from './server.ts'

export interface Received {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** As it came, to the byte: what a signature is over. */
  readonly body: string
  /** What is in it. */
  readonly message: Message
}

/** A webhook, as receivers read it. */
export interface Message {
  readonly type: string
  readonly timestamp: string
  readonly data: {
    readonly id: string
    readonly status: string
    readonly sequence: number
    readonly urls: { readonly GET: string }
    readonly error?: { readonly code: string; readonly message: string }
    readonly result?: { readonly text: string } | null
  }
}

/** Answers a request; it is the `tries`-th to its path. */
export type Answer = (response: ServerResponse, tries: number) => void

/** Of an authority of its own, until 2120. The key is a test’s, and signs nothing else. */
export const CERTIFICATE = join(PROJECT, 'test/fixtures/tls/receiver.pem')
const CERTIFICATE_KEY = join(PROJECT, 'test/fixtures/tls/receiver.key')

/** Somebody's own server, which is told by webhooks. Paths that have no answer of their own are answered with 204. */
export class Receiver implements AsyncDisposable {
  readonly received: Received[] = []
  readonly #server: Server
  readonly #answers: Readonly<Record<string, Answer>>

  readonly #scheme: 'http' | 'https'

  private constructor(server: Server, scheme: 'http' | 'https', answers: Readonly<Record<string, Answer>>) {
    this.#server = server
    this.#scheme = scheme
    this.#answers = answers
  }

  /** @param scheme by https it has `CERTIFICATE`, which nobody trusts unless he is told to */
  static async start(
    answers: Readonly<Record<string, Answer>> = {},
    scheme: 'http' | 'https' = 'http',
  ): Promise<Receiver> {
    const server = scheme === 'http' ? createServer() : await tlsServer()
    const receiver = new Receiver(server, scheme, answers)
    server.on('request', (request, response) => {
      text(request).then(
        (body) => receiver.#answer({ path: request.url ?? '', headers: request.headers, body }, response),
        () => undefined,
      )
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return receiver
  }

  url(path = '/'): string {
    return `${this.#scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}${path}`
  }

  at(path: string): readonly Received[] {
    return this.received.filter((one) => one.path === path)
  }

  #answer(got: Omit<Received, 'message'>, response: ServerResponse): void {
    this.received.push({ ...got, message: JSON.parse(got.body) as Message })
    const answer = this.#answers[got.path]
    if (answer === undefined) response.writeHead(204).end()
    else answer(response, this.at(got.path).length)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

async function tlsServer(): Promise<Server> {
  return createTlsServer({ cert: await readFile(CERTIFICATE), key: await readFile(CERTIFICATE_KEY) })
}

/** The headers that carry a webhook's signature. */
export function signatureHeaders({ headers }: Received): Record<string, string> {
  return Object.fromEntries(
    ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => [name, String(headers[name])]),
  )
}
