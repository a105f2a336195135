import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import type { Logger } from 'pino'
import { isFinished } from '../job.ts'
import { LocalNews } from '../events/local-news.ts'
import type { Schema } from '../sql/schema.ts'
import type { JobNews, JobNewsKind } from '../job-store.ts'
import { Coalesced } from '../coalesced.ts'
import { CHANNEL, Listener } from './listener.ts'
import type { Delivery, ListenerTiming } from './listener.ts'

export interface SharedNewsOptions {
  /** Of the listening connection; that of the database, or one by way of no proxy. */
  readonly url: string
  /** By which notices are sent, and jobs looked at. Not disposed with the news. */
  readonly database: Kysely<Schema>
  /** Told of the first state and of each change, with why notices do not arrive. */
  readonly onDelivery?: (delivery: Delivery, cause?: unknown) => void
  /** Told of each notice that could not be sent, and each look that failed; they are tried again. */
  readonly onError?: (error: unknown) => void
  /** Stops the start. */
  readonly signal?: AbortSignal
  readonly timing?: Partial<SharedNewsTiming>
}

export interface SharedNewsTiming extends ListenerTiming {
  readonly pollMs: number
}

const TIMING: SharedNewsTiming = { probeMs: 2_000, aliveMs: 10_000, deafMs: 60_000, pollMs: 1_000 }
/** At most one NOTIFY in this time, and one look at jobs that are waited for. */
const INTERVAL_MS = 20

/**
 * The news of all stores on one database. That of this process is told at once. To the others a NOTIFY says "look", no more: who sent it,
 * since a sender hears itself too. They look at the jobs that somebody waits for, and whoever looks for work or follows a history does so.
 * It is sent after the commit of what it is about: within the transaction it would have all commits wait for each other (5,672
 * submits/s instead of 18,575). It may get lost; where notices do not arrive at all, listeners poll each second.
 */
export class SharedNews extends LocalNews implements AsyncDisposable {
  readonly #id = randomUUID()
  readonly #options: SharedNewsOptions
  readonly #notices: Coalesced
  readonly #looks: Coalesced
  readonly #listener: Listener
  readonly #pollMs: number
  #delivery: Delivery | undefined
  #polls: NodeJS.Timeout | undefined

  private constructor(options: SharedNewsOptions) {
    super()
    this.#options = options
    const timing = { ...TIMING, ...options.timing }
    this.#pollMs = timing.pollMs
    const onError = (error: unknown): void => options.onError?.(error)
    this.#notices = new Coalesced(() => this.#notify(this.#id), INTERVAL_MS, onError)
    this.#looks = new Coalesced(() => this.#lookAtWatched(), INTERVAL_MS, onError)
    this.#listener = new Listener({
      ...{ url: options.url, timing, notify: (payload) => this.#notify(payload) },
      onNotice: (from) => from !== this.#id && this.#look(),
      onDelivery: (delivery, cause) => this.#deliver(delivery, cause),
    })
  }

  /** Resolves when it is known how news comes: also when the database is away, since it may come back. */
  static async start(options: SharedNewsOptions): Promise<SharedNews> {
    const { signal } = options
    signal?.throwIfAborted()
    const news = new SharedNews(options)
    const { promise: aborted, resolve: abort } = Promise.withResolvers<void>()
    const onAbort = (): void => abort()
    signal?.addEventListener('abort', onAbort)
    await Promise.race([news.#listener.settled, aborted])
    signal?.removeEventListener('abort', onAbort)
    if (signal?.aborted !== true) return news
    await news[Symbol.asyncDispose]()
    throw signal.reason
  }

  get delivery(): Delivery {
    return this.#delivery ?? 'polled'
  }

  override emit(news: JobNews): void {
    super.emit(news)
    // How far a job is may be seen a second later elsewhere: that is no reason for all workers to look for work.
    if (news === 'claimable') this.#notices.ask()
  }

  override emitJob(kind: JobNewsKind, jobId: string): void {
    super.emitJob(kind, jobId)
    this.#notices.ask()
  }

  /** Sends what is not yet sent, once. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#polls)
    await Promise.all([this.#listener, this.#notices, this.#looks].map((part) => part[Symbol.asyncDispose]()))
  }

  async #notify(payload: string): Promise<void> {
    await sql`select pg_notify(${CHANNEL}, ${payload})`.execute(this.#options.database)
  }

  #look(): void {
    super.emit('claimable')
    super.emit('history')
    this.#looks.ask()
  }

  async #lookAtWatched(): Promise<void> {
    const ids = this.watched()
    if (ids.length === 0) return
    const jobs = await this.#options.database
      .selectFrom('jobs')
      .select(['id', 'status', 'cancel_requested_at'])
      .where('id', 'in', ids)
      .execute()
    for (const { id, status, cancel_requested_at: cancelRequestedAt } of jobs) {
      if (isFinished(status)) super.emitJob('finished', id)
      else if (cancelRequestedAt !== null) super.emitJob('cancelRequested', id)
    }
  }

  #deliver(delivery: Delivery, cause: unknown): void {
    const before = this.#delivery
    if (delivery === before) return
    this.#delivery = delivery
    clearInterval(this.#polls)
    if (delivery === 'polled') this.#polls = setInterval(() => this.#look(), this.#pollMs).unref()
    else if (before !== undefined) this.#look()
    this.#options.onDelivery?.(delivery, cause)
  }
}

/** The news of all processes on a database; how it comes is logged. */
export async function openSharedNews(
  url: string,
  database: Kysely<Schema>,
  { logger, signal }: { readonly logger: Logger; readonly signal: AbortSignal },
): Promise<SharedNews> {
  return await SharedNews.start({
    ...{ url, signal, database },
    onDelivery: (delivery, cause) => {
      if (delivery === 'notified') logger.info('news of other processes comes by LISTEN')
      else
        logger.warn(
          { err: cause },
          'news of other processes does not come by LISTEN: the database is asked each second',
        )
    },
    onError: (error) => logger.warn({ err: error }, 'news could not be sent or asked for'),
  })
}
