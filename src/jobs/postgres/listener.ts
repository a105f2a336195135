import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'pg'
import { JobStoreError } from '../errors.ts'
import { clientConfig, serverOf } from './connection.ts'
import { storeErrorOf } from './server-errors.ts'

export const CHANNEL = 'sotto_jobs'

/** `notified`: others' notices are heard; `polled`: none are, so that one has to look now and then. */
export type Delivery = 'notified' | 'polled'

export interface ListenerOptions {
  readonly url: string
  /** Sends a NOTIFY with this payload, by another connection. */
  readonly notify: (payload: string) => Promise<void>
  /** Told of each notice but probes. */
  readonly onNotice: (payload: string) => void
  /** Told of each attempt; the cause says why nothing is heard. */
  readonly onDelivery: (delivery: Delivery, cause?: unknown) => void
  readonly timing: ListenerTiming
}

export interface ListenerTiming {
  /** How long a probe may take to arrive. */
  readonly probeMs: number
  /** How often a silent connection is asked whether it lives. */
  readonly aliveMs: number
  /** When to try again after a probe got lost. */
  readonly deafMs: number
}

/** How long the server may take to answer, and to say goodbye. */
const ANSWER_MS = 5_000
const GOODBYE_MS = 2_000
const RETRY_MS = 1_000

/**
 * Listens by a connection of its own, which is made again whenever it breaks, and counts when it has heard a probe: PgBouncer takes LISTEN when
 * it lends connections for each transaction, but delivers nothing.
 */
export class Listener implements AsyncDisposable {
  /** Resolves when it is known for the first time whether notices arrive, or when it is disposed. */
  readonly settled: Promise<void>
  readonly #options: ListenerOptions
  readonly #stop = new AbortController()
  readonly #running: Promise<void>

  constructor(options: ListenerOptions) {
    this.#options = options
    const { promise, resolve } = Promise.withResolvers<void>()
    this.settled = promise
    this.#running = this.#run(resolve).finally(resolve)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(settle: () => void): Promise<void> {
    const { signal } = this.#stop
    const { onDelivery, timing } = this.#options
    const heard = (): void => {
      onDelivery('notified')
      settle()
    }
    while (!signal.aborted) {
      let waitMs = timing.deafMs
      let cause: unknown
      try {
        cause = await this.#listen(heard)
      } catch (error) {
        cause = error
        // With jitter, so that all servers do not come back in the same moment.
        waitMs = RETRY_MS * (0.5 + Math.random())
      }
      if (signal.aborted) return
      onDelivery('polled', cause)
      settle()
      await delay(waitMs, undefined, { signal }).catch(() => undefined)
    }
  }

  /** Throws what has ended the connection; comes back, with the reason, only when nothing can be heard by it. */
  async #listen(heard: () => void): Promise<Error> {
    const { url, onNotice, notify, timing } = this.#options
    const { signal } = this.#stop
    const config = { ...clientConfig(url), application_name: 'sotto-news', query_timeout: ANSWER_MS }
    const server = serverOf(config)
    const client = new Client(config)
    const destroy = (): void => void client.connection.stream.destroy()
    signal.addEventListener('abort', destroy)
    const lost = lossOf(client)
    const probe = `probe ${randomUUID()}`
    const { promise: arrives, resolve: arrived } = Promise.withResolvers<boolean>()
    client.on('notification', ({ payload = '' }) => (payload === probe ? arrived(true) : onNotice(payload)))
    try {
      await client.connect()
      await client.query(`listen ${CHANNEL}`)
      await Promise.race([notify(probe), lost])
      const timer = setTimeout(arrived, timing.probeMs, false)
      if (!(await Promise.race([arrives, lost]).finally(() => clearTimeout(timer)))) {
        // Otherwise the proxy's connection would go on to listen, and each notice be a warning in the proxy's log.
        await client.query('unlisten *')
        return deafness(server)
      }
      heard()
      return await Promise.race([lost, this.#askOn(client)])
    } catch (error) {
      destroy()
      throw storeErrorOf(error, server)
    } finally {
      const timer = setTimeout(destroy, GOODBYE_MS)
      await client.end()
      clearTimeout(timer)
      signal.removeEventListener('abort', destroy)
    }
  }

  /** Throws when the connection no longer answers, of which it would say nothing itself for hours. */
  async #askOn(client: Client): Promise<never> {
    for (;;) {
      await delay(this.#options.timing.aliveMs, undefined, { signal: this.#stop.signal })
      await client.query('select 1')
    }
  }
}

/** Rejects when the connection breaks. */
function lossOf(client: Client): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>()
  // Whoever waits for it hears of it, if anybody does.
  promise.catch(() => undefined)
  client.on('error', reject)
  client.on('end', () => reject(new Error('it was ended')))
  return promise
}

function deafness(server: string): JobStoreError {
  return new JobStoreError(
    'store.unavailable',
    `The jobs database at ${server} does not deliver notifications, as behind a proxy that lends a connection for ` +
      'each transaction. News comes a second later, by polling; name the database itself to have it at once.',
  )
}
