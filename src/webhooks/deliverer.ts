import type { JobStore } from '../jobs/job-store.ts'
import type { TakenDelivery } from './delivery.ts'
import { runDelivery } from './delivery-run.ts'
import type { DeliveryParts } from './delivery-run.ts'
import { Lanes } from './lanes.ts'
import type { DueQueue, Wanted } from './outbox.ts'

/** What comes due by itself, or was written by another process, is found so often. */
const LOOK_INTERVAL_MS = 1000
/** Debounce: much happens to jobs that nobody is told, and several deliveries that are taken at once are one commit. */
const BELL_MS = 10
const GRACE_MS = 5000

export interface DelivererOptions extends DeliveryParts {
  readonly news: Pick<JobStore, 'on'>
  /** How long receivers that were asked may take to answer when the server stops. */
  readonly graceMs?: number
}

/** Makes the deliveries that are due, in any number of processes on one database, until it is disposed. */
export class Deliverer implements AsyncDisposable {
  readonly #options: DelivererOptions
  readonly #lanes = new Lanes()
  readonly #running = new Set<Promise<void>>()
  /** First no more are taken, then those under way are broken off. */
  readonly #stop = new AbortController()
  readonly #hurry = new AbortController()
  readonly #timer: NodeJS.Timeout
  readonly #news: Disposable
  #bell: NodeJS.Timeout | undefined
  #isRung = false
  #round: Promise<void> | undefined

  constructor(options: DelivererOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.ring(), LOOK_INTERVAL_MS).unref()
    this.#news = options.news.on('history', () => this.#hear())
    this.ring()
  }

  /** There may be something to deliver. */
  ring(): void {
    if (this.#stop.signal.aborted) return
    this.#isRung = true
    this.#round ??= this.#run().finally(() => (this.#round = undefined))
  }

  /** What is under way may end; what does not in time is given back, to be told by the next one. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    clearInterval(this.#timer)
    clearTimeout(this.#bell)
    this.#news[Symbol.dispose]()
    const grace = setTimeout(() => this.#hurry.abort(), this.#options.graceMs ?? GRACE_MS)
    await this.#round
    await Promise.all(this.#running)
    clearTimeout(grace)
  }

  #hear(): void {
    if (this.#stop.signal.aborted) return
    this.#bell ??= setTimeout(() => {
      this.#bell = undefined
      this.ring()
    }, BELL_MS).unref()
  }

  async #run(): Promise<void> {
    while (this.#isRung && !this.#stop.signal.aborted) {
      this.#isRung = false
      try {
        while (await this.#startSome());
      } catch (error) {
        this.#options.logger.error({ err: error }, 'webhooks could not be looked for; it is tried again')
      }
    }
  }

  /** Says whether it found any. */
  async #startSome(): Promise<boolean> {
    const { outbox } = this.#options
    const wanted: (DueQueue & Wanted)[] = []
    for (const due of await outbox.due()) {
      const limit = this.#stop.signal.aborted ? 0 : this.#lanes.room(due)
      if (limit === 0) continue
      this.#lanes.enter(due, limit)
      wanted.push({ ...due, limit })
    }
    if (wanted.length === 0) return false
    let taken: readonly TakenDelivery[] = []
    try {
      taken = await outbox.take(wanted)
    } finally {
      for (const one of wanted)
        this.#lanes.leave(one, one.limit - taken.filter(({ queue }) => queue === one.queue).length)
    }
    for (const delivery of taken) this.#start(delivery)
    return taken.length > 0
  }

  /** It has its place already. */
  #start(delivery: TakenDelivery): void {
    const running = this.#deliver(delivery).finally(() => {
      this.#lanes.leave(delivery, 1)
      this.#running.delete(running)
      this.#hear()
    })
    this.#running.add(running)
  }

  async #deliver(delivery: TakenDelivery): Promise<void> {
    const { logger, outbox } = this.#options
    try {
      const { isWell, retryAfterMs } = await runDelivery(delivery, this.#options, this.#hurry.signal)
      this.#lanes.note(delivery.queue, isWell, retryAfterMs)
    } catch (error) {
      if (this.#hurry.signal.aborted) await outbox.untake(delivery).catch(() => undefined)
      else logger.error({ err: error, delivery: delivery.id }, 'a delivery broke off; it is made within a minute')
    }
  }
}
