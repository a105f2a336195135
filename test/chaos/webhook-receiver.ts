import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'

const KEY = Buffer.from('a secret of thirty-two bytes !!!')
const SECRET = `whsec_${KEY.toString('base64')}`
/** What each job's webhook is asked to tell of. */
const EVENTS = ['job.success', 'job.failed', 'job.cancelled']
const FAILING_SHARE = 0.3

/** Receives webhooks as the internet does: some get no answer, some an error. Believes those alone whose signature fits. */
export class WebhookReceiver implements AsyncDisposable {
  readonly #server: Server
  readonly #random: () => number
  /** Of each job: the ids of what it was told, and of which type each is. */
  readonly #told = new Map<string, Map<string, string>>()
  readonly #faults: string[] = []
  #isReliable = false

  private constructor(server: Server, random: () => number) {
    this.#server = server
    this.#random = random
  }

  static async start(random: () => number): Promise<WebhookReceiver> {
    const server = createServer()
    const receiver = new WebhookReceiver(server, random)
    server.on('request', (request: IncomingMessage, response) => {
      void receiver.#answer(request, response)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return receiver
  }

  /** For the body of a submit. */
  get webhook(): { readonly url: string; readonly secret: string; readonly events: readonly string[] } {
    const { port } = this.#server.address() as AddressInfo
    return { url: `http://127.0.0.1:${port}/`, secret: SECRET, events: EVENTS }
  }

  /** From now on it takes all that comes. */
  settle(): void {
    this.#isReliable = true
  }

  /** Waits until each of these jobs has been told of; says what is not as it should be. */
  async judge(jobs: ReadonlyMap<string, string>, limitMs: number): Promise<readonly string[]> {
    const endMs = performance.now() + limitMs
    const isMissing = (id: string): boolean => !this.#told.has(id)
    while ([...jobs.keys()].some(isMissing) && performance.now() < endMs) await delay(100)
    const wrong = [...jobs].flatMap(([id, status]) => {
      const told = [...(this.#told.get(id) ?? [])]
      if (told.length === 0) return [`${id}: nobody told of its end`]
      if (told.length > 1) return [`${id}: its end was told under several ids: ${told.join(' ')}`]
      return told[0]?.[1] === `job.${status}` ? [] : [`${id}: is ${status}, and ${told[0]?.[1]} was told`]
    })
    return [...this.#faults, ...wrong]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const status = await this.#receive(request)
    if (status === undefined) request.socket.destroy()
    else response.writeHead(status).end()
  }

  /** Says the status to answer with; undefined: the connection breaks, be it before or after the webhook was taken. */
  async #receive(request: IncomingMessage): Promise<number | undefined> {
    if (!this.#isReliable && this.#random() < FAILING_SHARE) return this.#random() < 0.5 ? 503 : undefined
    try {
      const body = await text(request)
      const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature } = request.headers
      // Whatever the time says: clocks jump here.
      const expected = createHmac('sha256', KEY)
        .update(`${String(id)}.${String(at)}.${body}`)
        .digest('base64')
      if (signature !== `v1,${expected}`) this.#faults.push(`${String(id)}: a webhook whose signature does not fit`)
      const { type, data } = JSON.parse(body) as { readonly type: string; readonly data: { readonly id: string } }
      const told = this.#told.get(data.id) ?? new Map<string, string>()
      this.#told.set(data.id, told.set(String(id), type))
    } catch {
      // Its sender was killed while it sent.
      return undefined
    }
    return this.#isReliable || this.#random() > FAILING_SHARE ? 204 : undefined
  }
}
