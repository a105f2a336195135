import { CodedError } from '../../contract/coded-error.ts'
import type { JobEvent } from '../../contract/job-event.ts'
import { Coalesced } from '../coalesced.ts'
import type { Database } from '../sql/dialect.ts'
import { readEvents, readEventsOfKeys } from './event-log.ts'
import type { EventsOf } from './event-log.ts'
import { numberEvents } from './event-order.ts'
import { windowsTold, withPassages } from './told-events.ts'
import type { ToldEvent } from './told-events.ts'

/** Somebody who is given the events of a key, or of one of its jobs, from some event on. */
export interface Watcher {
  readonly keyId: string
  /** Null: of all jobs of the key. */
  readonly jobId: string | null
  /** Whether it wants to know what windows say. */
  readonly wantsText: boolean
  /** At least one, in their order. What it throws is lost. */
  readonly onEvents: (events: readonly ToldEvent[]) => void
  /** Nothing more comes. */
  readonly onError: (error: unknown) => void
}

/** Says that there may be events that were not there before. */
interface HistoryNews {
  on(news: 'history', listener: () => void): Disposable
}

/** The events of a key are read up to here for all who watch it. */
interface WatchedKey {
  after: number
  readonly watchers: Set<Watcher>
}

/** At most one look in this time. */
const LOOK_INTERVAL_MS = 20
/** Another process's events may be told of by nobody. */
const LOOK_AT_LEAST_MS = 1000
/** Of one key at a time. */
const EVENTS_PER_LOOK = 500

/**
 * The events of a store, to be followed by many at once: one look reads what is new of all keys that somebody watches, and the text of its
 * windows, and hands it to all who watch; so what it costs depends on what happens, not on how many watch. It looks when the store
 * has news, and each second, and not at all while nobody watches. A database that is away is asked again until it answers.
 */
export class EventFeed {
  readonly #database: Database
  readonly #news: HistoryNews
  readonly #keys = new Map<string, WatchedKey>()
  readonly #looks: Coalesced
  #watching: Disposable | undefined

  constructor(database: Database, news: HistoryNews) {
    this.#database = database
    this.#news = news
    this.#looks = new Coalesced(
      () => this.#look(),
      LOOK_INTERVAL_MS,
      () => undefined,
    )
  }

  /** Events behind `after` with their text, as `readEvents`. @param told as of `withPassages`; null: without text */
  async read(
    of: EventsOf,
    after: number,
    limit: number,
    told: Map<string, number> | null,
  ): Promise<readonly ToldEvent[]> {
    const events = await readEvents(this.#database, of, after, limit)
    if (told === null) return events.map((event) => ({ event, passage: null }))
    for (const { jobId, sequence, kind } of events) {
      if (kind === 'window' && !told.has(jobId)) {
        told.set(jobId, await windowsTold(this.#database, jobId, sequence - 1))
      }
    }
    return await withPassages(this.#database, events, told)
  }

  /** The `sequence` of the newest event; 0: there is none. */
  async newest(of: EventsOf): Promise<number> {
    await numberEvents(this.#database)
    const events = this.#database.queries.selectFrom('job_events').select('sequence')
    const own = 'jobId' in of ? events.where('job_id', '=', of.jobId) : events.where('key_id', '=', of.keyId)
    const row = await own.where('sequence', 'is not', null).orderBy('sequence', 'desc').limit(1).executeTakeFirst()
    return row?.sequence ?? 0
  }

  /** Whether the job has an event of this number. */
  async has(jobId: string, sequence: number): Promise<boolean> {
    const row = await this.#database.queries
      .selectFrom('job_events')
      .select('sequence')
      .where('job_id', '=', jobId)
      .where('sequence', '=', sequence)
      .executeTakeFirst()
    return row !== undefined
  }

  /** How far a key's events have been handed out; 0: nobody watches it. */
  positionOf(keyId: string): number {
    return this.#keys.get(keyId)?.after ?? 0
  }

  /**
   * Hands out what comes behind `after`, perhaps with some that came before. Disposing it ends that.
   * @param after all up to here was read by other means
   * @returns undefined: more has been handed out already, so that the watcher would miss it
   */
  join(watcher: Watcher, after: number): Disposable | undefined {
    const { keyId } = watcher
    const key = this.#keys.get(keyId) ?? { after, watchers: new Set() }
    if (key.after > after) return undefined
    key.watchers.add(watcher)
    this.#keys.set(keyId, key)
    this.#watching ??= this.#watch()
    return { [Symbol.dispose]: () => this.#leave(watcher, key) }
  }

  /** The same from now on: what was committed before may be left out. */
  async joinNow(watcher: Watcher): Promise<Disposable> {
    const { keyId } = watcher
    const isWatched = this.#keys.has(keyId)
    const newest = isWatched ? 0 : await this.newest({ keyId })
    const joined = this.join(watcher, Math.max(newest, this.positionOf(keyId)))
    if (joined === undefined) throw new Error('a watcher could not join behind what was handed out')
    return joined
  }

  #leave(watcher: Watcher, key: WatchedKey): void {
    key.watchers.delete(watcher)
    if (key.watchers.size > 0 || this.#keys.get(watcher.keyId) !== key) return
    this.#keys.delete(watcher.keyId)
    if (this.#keys.size > 0) return
    this.#watching?.[Symbol.dispose]()
    this.#watching = undefined
  }

  #watch(): Disposable {
    const listening = this.#news.on('history', () => this.#looks.ask())
    const timer = setInterval(() => this.#looks.ask(), LOOK_AT_LEAST_MS).unref()
    return {
      [Symbol.dispose]: () => {
        clearInterval(timer)
        listening[Symbol.dispose]()
      },
    }
  }

  async #look(): Promise<void> {
    let watched = [...this.#keys]
    while (watched.length > 0) {
      const full: string[] = []
      try {
        const cursors = watched.map(([keyId, { after }]) => ({ keyId, after }))
        const found = await readEventsOfKeys(this.#database, cursors, EVENTS_PER_LOOK)
        const told = await this.#withText([...found.values()].flat())
        for (const [keyId, key] of watched) {
          const events = found.get(keyId) ?? []
          key.after = events.at(-1)?.sequence ?? key.after
          if (events.length === EVENTS_PER_LOOK) full.push(keyId)
          if (events.length > 0)
            handOut(
              key,
              events.map((event) => told.get(event) ?? { event, passage: null }),
            )
        }
      } catch (error) {
        if (error instanceof CodedError && error.retryable) throw error
        for (const [, { watchers }] of watched) for (const watcher of [...watchers]) watcher.onError(error)
      }
      watched = [...this.#keys].filter(([keyId]) => full.includes(keyId))
    }
  }

  /** What windows say, where anybody wants to know. */
  async #withText(events: readonly JobEvent[]): Promise<ReadonlyMap<JobEvent, ToldEvent>> {
    const wanted = events.filter((event) => event.kind === 'window' && this.#isTextWanted(event.jobId))
    const told = await withPassages(this.#database, wanted)
    return new Map(told.map((one) => [one.event, one]))
  }

  #isTextWanted(jobId: string): boolean {
    for (const { watchers } of this.#keys.values()) {
      for (const watcher of watchers) {
        if (watcher.wantsText && (watcher.jobId === null || watcher.jobId === jobId)) return true
      }
    }
    return false
  }
}

function handOut({ watchers }: WatchedKey, events: readonly ToldEvent[]): void {
  const byJob = Map.groupBy(events, ({ event }) => event.jobId)
  for (const watcher of [...watchers]) {
    const own = watcher.jobId === null ? events : byJob.get(watcher.jobId)
    if (own !== undefined) watcher.onEvents(watcher.wantsText ? own : own.map(withoutText))
  }
}

function withoutText(told: ToldEvent): ToldEvent {
  return told.passage === null ? told : { ...told, passage: null }
}
