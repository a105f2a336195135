import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import { JobEventEmitter } from '../job-events.ts'
import type { Schema } from '../schema.ts'
import type { JobEvents } from '../store.ts'
import { CHANNEL } from './listening-connection.ts'
import { probePayload } from './notice.ts'
import type { Notice } from './notice.ts'
import { NoticeListener } from './notice-listener.ts'
import type { Delivery, ListenerTiming } from './notice-listener.ts'
import { NoticePublisher } from './notice-publisher.ts'

/** What a look into the database finds of the events that somebody here waits for. Telling of one again does no harm. */
export interface MissedEvents {
  /** Ids of jobs. */
  readonly cancelRequested: readonly string[]
  readonly finished: readonly string[]
}

export interface PostgresEventsOptions {
  /** Of the listening connection; that of the database, or one by way of no proxy. */
  readonly url: string
  /** By which notices are sent. Not disposed with the events. */
  readonly database: Kysely<Schema>
  /** Asked each second while no notices arrive, and once when they do again. */
  readonly poll: () => Promise<MissedEvents>
  /** Told of the first state and of each change, with why notices do not arrive. */
  readonly onDelivery?: (delivery: Delivery, cause?: unknown) => void
  /** Told of each poll and each sending that failed; they are tried again. */
  readonly onError?: (error: unknown) => void
  /** Stops the start. */
  readonly signal?: AbortSignal
  readonly timing?: Partial<PostgresEventsTiming>
}

export interface PostgresEventsTiming extends ListenerTiming {
  readonly pollMs: number
}

const TIMING: PostgresEventsTiming = { probeMs: 2_000, aliveMs: 10_000, deafMs: 60_000, pollMs: 1_000 }

/**
 * The events of all stores on one database. Those of this process are told at once; the others hear of them by NOTIFY, which is
 * sent after the commit of what it tells of: within the transaction it would have all commits wait for each other (5,672
 * submits/s instead of 18,575). Notices may get lost, and whoever acts on one looks into the database.
 */
export class PostgresEvents implements AsyncDisposable {
  readonly #id = randomUUID()
  readonly #local = new JobEventEmitter()
  readonly #options: PostgresEventsOptions
  readonly #timing: PostgresEventsTiming
  readonly #publisher: NoticePublisher
  readonly #listener: NoticeListener
  #delivery: Delivery | undefined
  #timer: NodeJS.Timeout | undefined
  #catchingUp: Promise<void> | undefined
  #disposed = false

  private constructor(options: PostgresEventsOptions) {
    this.#options = options
    this.#timing = { ...TIMING, ...options.timing }
    this.#publisher = new NoticePublisher({
      from: this.#id,
      send: (payloads) => this.#notify(payloads),
      onError: (error) => options.onError?.(error),
    })
    this.#listener = new NoticeListener({
      url: options.url,
      sendProbe: (probe) => this.#notify([probePayload(this.#id, probe)]),
      onNotice: (notice) => this.#hear(notice),
      onDelivery: (delivery, cause) => this.#deliver(delivery, cause),
      timing: this.#timing,
    })
  }

  /** Resolves when it is known how events come: also when the database is away, since it may come back. */
  static async start(options: PostgresEventsOptions): Promise<PostgresEvents> {
    const { signal } = options
    signal?.throwIfAborted()
    const events = new PostgresEvents(options)
    const { promise: aborted, resolve } = Promise.withResolvers<void>()
    const abort = () => resolve()
    signal?.addEventListener('abort', abort)
    await Promise.race([events.#listener.settled, aborted])
    signal?.removeEventListener('abort', abort)
    if (signal?.aborted !== true) return events
    await events[Symbol.asyncDispose]()
    throw signal.reason
  }

  get delivery(): Delivery {
    return this.#delivery ?? 'polled'
  }

  on<Name extends keyof JobEvents>(name: Name, listener: (...event: JobEvents[Name]) => void): Disposable {
    return this.#local.on(name, listener)
  }

  /** To be called when what it tells of is committed. */
  emit<Name extends keyof JobEvents>(name: Name, ...event: JobEvents[Name]): void {
    this.#local.emit(name, ...event)
    const [id]: readonly string[] = event
    if (name === 'claimable' || id === undefined) this.#publisher.claimable()
    else if (name === 'cancelRequested') this.#publisher.cancelRequested(id)
    else this.#publisher.finished(id)
  }

  /** Sends what is not yet sent, once. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true
    clearTimeout(this.#timer)
    await Promise.all([this.#publisher[Symbol.asyncDispose](), this.#listener[Symbol.asyncDispose](), this.#catchingUp])
  }

  async #notify(payloads: readonly string[]): Promise<void> {
    await sql`
      select pg_notify(${CHANNEL}, payload) from unnest(${payloads}::text[]) as payload
    `.execute(this.#options.database)
  }

  /** The listeners here have heard of our own at once. */
  #hear(notice: Notice): void {
    if (notice.from === this.#id) return
    if (notice.claimable) this.#local.emit('claimable')
    this.#tell(notice)
  }

  #tell({ cancelRequested, finished }: MissedEvents): void {
    for (const id of cancelRequested) this.#local.emit('cancelRequested', id)
    for (const id of finished) this.#local.emit('finished', id)
  }

  #deliver(delivery: Delivery, cause: unknown): void {
    const before = this.#delivery
    if (delivery === before) return
    this.#delivery = delivery
    clearTimeout(this.#timer)
    if (delivery === 'polled') this.#schedule()
    else if (before !== undefined) void this.#catchUp()
    this.#options.onDelivery?.(delivery, cause)
  }

  #schedule(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#pollOn(), this.#timing.pollMs)
    this.#timer.unref()
  }

  async #pollOn(): Promise<void> {
    await this.#catchUp()
    if (this.#delivery === 'polled' && !this.#disposed) this.#schedule()
  }

  /** Tells of all that notices may have told of, had they come. */
  #catchUp(): Promise<void> {
    this.#local.emit('claimable')
    this.#catchingUp ??= this.#poll().finally(() => (this.#catchingUp = undefined))
    return this.#catchingUp
  }

  async #poll(): Promise<void> {
    try {
      this.#tell(await this.#options.poll())
    } catch (error) {
      this.#options.onError?.(error)
    }
  }
}
