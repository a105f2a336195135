import { isFinished } from '../job.ts'
import type { JobStore } from '../job-store.ts'
import type { EventFeed } from './event-feed.ts'
import type { EventsOf } from './event-log.ts'
import type { ToldEvent } from './told-events.ts'

export type { ToldEvent }

export interface FollowOptions {
  /** The `sequence` of the last event that is known. Of a job, 0 unless it is given: since it was accepted. Of a key: from now on. */
  readonly after?: number
  /** Ends it. */
  readonly signal: AbortSignal
  /** Whether events of windows carry what they say. Of a job: unless it is said otherwise; of a key: only then. */
  readonly text?: boolean
}

/** Events that are read at once. */
const PAGE_LENGTH = 200
/** Events that wait for a reader who is slow; of more, it reads again from the database when it gets there. */
const MAX_WAITING = 500
/** How often a follower that hears nothing looks whether its job is still there. */
const IS_THERE_MS = 10_000

/**
 * What happens to a job, each event once and in its order, whichever process made it, and with the text of each finished window; it ends
 * behind `finished`, when the job is removed, and when the signal aborts. A window that tells of a lower place in the transcript than
 * the one before replaces the text from there on: its run could not go on from what was kept, and began anew.
 * @throws JobStoreError `store.unavailable`; whoever remembers the last event can go on behind it
 */
export async function* followJob(
  jobs: Pick<JobStore, 'find' | 'feed'>,
  jobId: string,
  { after = 0, signal, text = true }: FollowOptions,
): AsyncGenerator<ToldEvent, void, undefined> {
  const job = await jobs.find(jobId)
  if (job === undefined) return
  const { keyId } = job
  const isOver = async (): Promise<boolean> => {
    const found = await jobs.find(jobId)
    return found === undefined || isFinished(found.status)
  }
  for await (const told of follow(jobs.feed, { keyId, jobId }, { after, signal, text, isOver })) {
    yield told
    if (told.event.kind === 'finished') return
  }
}

/** The same of all jobs of a key, without an end of its own. */
export async function* followKey(
  { feed }: Pick<JobStore, 'feed'>,
  keyId: string,
  { after, signal, text = false }: FollowOptions,
): AsyncGenerator<ToldEvent, void, undefined> {
  const from = after ?? (await feed.newest({ keyId }))
  yield* follow(feed, { keyId, jobId: null }, { after: from, signal, text, isOver: null })
}

interface Followed {
  readonly keyId: string
  readonly jobId: string | null
}

interface Following extends Required<FollowOptions> {
  /** Whether nothing more can come; null: something always can. */
  readonly isOver: (() => Promise<boolean>) | null
}

/** Reads what there is, page by page, then takes what the feed hands out; and again, when that is more than it can carry. */
async function* follow(
  feed: EventFeed,
  { keyId, jobId }: Followed,
  { after, signal, text, isOver }: Following,
): AsyncGenerator<ToldEvent, void, undefined> {
  const of: EventsOf = jobId === null ? { keyId } : { jobId }
  const told = text ? new Map<string, number>() : null
  let last = after
  while (!signal.aborted) {
    // Whatever the feed has handed out was there to be read before.
    const position = feed.positionOf(keyId)
    const wasOver = await isOver?.()
    const page = await feed.read(of, last, PAGE_LENGTH, told)
    for (const event of page) {
      yield event
      last = event.event.sequence
    }
    if (page.length === PAGE_LENGTH) continue
    // Finished by a version that told no events, or removed.
    if (wasOver === true) return
    last = Math.max(last, position)
    using seat = Seat.take(feed, { keyId, jobId, wantsText: text }, last, signal)
    if (seat === undefined) continue
    for (;;) {
      const events = await seat.next(isOver === null ? null : IS_THERE_MS)
      if (events === 'behind' || signal.aborted) break
      for (const event of events) {
        if (event.event.sequence <= last) continue
        yield event
        last = event.event.sequence
        if (told !== null && event.event.kind === 'window') told.set(event.event.jobId, event.event.data.windows)
      }
      if (events.length === 0 && (await isOver?.()) === true) break
    }
  }
}

/** A place at the feed, with what waits to be taken from there. */
class Seat implements Disposable {
  readonly #left = new AbortController()
  #waiting: ToldEvent[] = []
  #isBehind = false
  #error: { readonly cause: unknown } | undefined
  #ring: () => void = () => undefined
  #joined: Disposable | undefined

  static take(
    feed: EventFeed,
    watched: { readonly keyId: string; readonly jobId: string | null; readonly wantsText: boolean },
    after: number,
    signal: AbortSignal,
  ): Seat | undefined {
    const seat = new Seat()
    seat.#joined = feed.join(
      {
        ...watched,
        onEvents: (events) => seat.#add(events),
        onError: (cause) => {
          seat.#error = { cause }
          seat.#ring()
        },
      },
      after,
    )
    if (seat.#joined === undefined) return undefined
    signal.addEventListener('abort', () => seat.#ring(), { signal: seat.#left.signal })
    return seat
  }

  /** What came since; nothing after so long, or when it was aborted; `behind`: more than is remembered. */
  async next(idleMs: number | null): Promise<readonly ToldEvent[] | 'behind'> {
    if (this.#waiting.length === 0 && !this.#isBehind && this.#error === undefined) await this.#bell(idleMs)
    if (this.#error !== undefined) throw this.#error.cause
    if (this.#isBehind) return 'behind'
    const events = this.#waiting
    this.#waiting = []
    return events
  }

  [Symbol.dispose](): void {
    this.#left.abort()
    this.#joined?.[Symbol.dispose]()
  }

  async #bell(idleMs: number | null): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#ring = resolve
    const timer = idleMs === null ? undefined : setTimeout(resolve, idleMs)
    await promise
    clearTimeout(timer)
  }

  #add(events: readonly ToldEvent[]): void {
    this.#waiting.push(...events)
    if (this.#waiting.length > MAX_WAITING) {
      this.#waiting = []
      this.#isBehind = true
      this.#joined?.[Symbol.dispose]()
    }
    this.#ring()
  }
}
