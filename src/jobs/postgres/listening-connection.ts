import { randomUUID } from 'node:crypto'
import { Client } from 'pg'
import { JobStoreError } from '../errors.ts'
import { clientConfig, serverOf } from './connection.ts'
import { noticeOf } from './notice.ts'
import type { Notice } from './notice.ts'
import { storeErrorOf } from './server-errors.ts'

export const CHANNEL = 'sotto_jobs'

export interface ListeningConnectionOptions {
  readonly url: string
  readonly onNotice: (notice: Notice) => void
  /** How often the connection is asked whether it lives, since it would say nothing for hours. */
  readonly aliveMs: number
  /** Breaks it, also while it is being made. */
  readonly signal: AbortSignal
}

/** How long the server may take to answer, and to say goodbye. */
const ANSWER_MS = 5_000
const GOODBYE_MS = 2_000

/** A connection of its own on which PostgreSQL delivers notices. */
export class ListeningConnection implements AsyncDisposable {
  readonly #client: Client
  readonly #server: string
  readonly #signal: AbortSignal
  readonly #lost = Promise.withResolvers<never>()
  readonly #probes = new Map<string, () => void>()
  #alive: NodeJS.Timeout | undefined

  private constructor(options: ListeningConnectionOptions) {
    const config = { ...clientConfig(options.url), application_name: 'sotto-events' }
    this.#server = serverOf(config)
    this.#client = new Client(config)
    this.#signal = options.signal
    this.#signal.addEventListener('abort', this.#break)
    // Whoever waits for it hears of it, if anybody does.
    this.#lost.promise.catch(() => undefined)
    this.#client.on('error', (error) => this.#lost.reject(storeErrorOf(error, this.#server)))
    this.#client.on('end', () => this.#lost.reject(storeErrorOf(new Error('it was ended'), this.#server)))
    this.#client.on('notification', ({ payload }) => {
      const notice = noticeOf(payload ?? '')
      if (notice?.probe !== undefined) this.#probes.get(notice.probe)?.()
      else if (notice !== undefined) options.onNotice(notice)
    })
  }

  /** @throws JobStoreError `store.unavailable` */
  static async open(options: ListeningConnectionOptions): Promise<ListeningConnection> {
    options.signal.throwIfAborted()
    const connection = new ListeningConnection(options)
    try {
      await connection.#client.connect()
      await connection.#ask(`listen ${CHANNEL}`)
    } catch (error) {
      await connection[Symbol.asyncDispose]()
      throw storeErrorOf(error, connection.#server)
    }
    connection.#stayAlive(options.aliveMs)
    return connection
  }

  /** Rejects with a `JobStoreError` when the connection breaks. */
  get lost(): Promise<never> {
    return this.#lost.promise
  }

  /**
   * Whether notices arrive: PgBouncer takes LISTEN when it lends connections for each transaction, but delivers nothing.
   *
   * @param send sends a probe by another connection
   */
  async hears(send: (probe: string) => Promise<void>, probeMs: number): Promise<boolean> {
    const probe = randomUUID()
    const { promise: heard, resolve } = Promise.withResolvers<boolean>()
    this.#probes.set(probe, () => resolve(true))
    let timer: NodeJS.Timeout | undefined
    try {
      await Promise.race([send(probe), this.lost])
      timer = setTimeout(resolve, probeMs, false)
      const hears = await Promise.race([heard, this.lost])
      // Otherwise the proxy's connection would go on to listen, and each notice be a warning in the proxy's log.
      if (!hears) await this.#ask('unlisten *')
      return hears
    } finally {
      clearTimeout(timer)
      this.#probes.delete(probe)
    }
  }

  /** @returns why events have to be polled for when it does not hear */
  get deafness(): JobStoreError {
    return new JobStoreError(
      'store.unavailable',
      `The jobs database at ${this.#server} does not deliver notifications, as behind a proxy that lends a connection for ` +
        'each transaction. Events come a second later, by polling; name the database itself to have them at once.',
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal.removeEventListener('abort', this.#break)
    clearTimeout(this.#alive)
    const timer = setTimeout(this.#break, this.#signal.aborted ? 0 : GOODBYE_MS)
    await this.#client.end()
    clearTimeout(timer)
  }

  /** Without an answer the connection breaks, and is `lost`. */
  #stayAlive(aliveMs: number): void {
    const ask = async () => {
      await this.#ask('select 1')
      this.#stayAlive(aliveMs)
    }
    this.#alive = setTimeout(() => void ask().catch(() => undefined), aliveMs)
    this.#alive.unref()
  }

  async #ask(statement: string): Promise<void> {
    const timer = setTimeout(this.#break, ANSWER_MS)
    try {
      await this.#client.query(statement)
    } finally {
      clearTimeout(timer)
    }
  }

  readonly #break = (): void => {
    this.#client.connection.stream.destroy()
  }
}
