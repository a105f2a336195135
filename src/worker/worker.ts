import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { ServiceTier } from '../jobs/job.ts'
import type { ClaimedJob } from '../jobs/store.ts'
import type { WorkerRegistry } from '../jobs/worker-registry.ts'
import { JobRun } from './job-run.ts'
import type { JobRunOptions } from './job-run.ts'
import { SpeedMeter } from './speed-meter.ts'
import { Wakeup } from './wakeup.ts'

/** What no event tells of: a pause that is over, an event that was lost on its way, a database that is there again. */
const LOOK_MS = 1000
const ANNOUNCE_MS = 5000
const LEAST_REST_MS = 20
/** One after the other: a few events are looked at at once. */
const MOST_SHORT_RESTS = 8

export interface WorkerOptions extends Omit<JobRunOptions, 'speed'> {
  readonly workers: WorkerRegistry
  /** Jobs that run at the same time. */
  readonly slots: number
  /** How many more run if they are short. */
  readonly expressSlots: number
  /** The tier that this worker is, and the tiers whose jobs it takes. */
  readonly served: ServiceTier
  readonly asked: readonly ServiceTier[]
  /** The models whose jobs it takes; null: any. */
  readonly models: readonly string[] | null
}

/** Takes jobs as they come: claim → transcribe → settle, as many at the same time as it has slots. */
export class Worker implements AsyncDisposable {
  readonly #id = randomUUID()
  readonly #options: WorkerOptions
  readonly #speed = new SpeedMeter({ onNews: () => this.#tell() })
  readonly #stop = new AbortController()
  readonly #wakeup = new Wakeup()
  readonly #runs = new Set<Promise<void>>()
  readonly #dispatch: Promise<void>
  readonly #parts = new AsyncDisposableStack()
  #telling: Promise<void> = Promise.resolve()
  #isToTell = false
  #shortRests = 0
  /** Urgent jobs taken one after the other. */
  #urgent = 0

  constructor(options: WorkerOptions) {
    this.#options = options
    const { jobs } = options
    this.#parts.use(jobs.on('claimable', () => this.#wakeup.ring()))
    const looking = setInterval(() => this.#wakeup.ring(), LOOK_MS)
    this.#parts.defer(() => clearInterval(looking))
    this.#parts.defer(() => this.#withdraw())
    const telling = setInterval(() => this.#tell(), ANNOUNCE_MS)
    this.#parts.defer(() => clearInterval(telling))
    this.#tell()
    this.#dispatch = this.#loop()
  }

  /** The tiers whose jobs it takes. */
  get asked(): readonly ServiceTier[] {
    return this.#options.asked
  }

  /** Fails unless its transcriber answers. */
  async check(signal: AbortSignal): Promise<void> {
    this.#stop.signal.throwIfAborted()
    await this.#options.transcriber.check(signal)
  }

  /** Gives running jobs back. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#dispatch
    await Promise.all(this.#runs)
    await this.#parts.disposeAsync()
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const moment = this.#wakeup.now()
      const claimed = await this.#claim()
      for (const job of claimed) this.#start(job)
      if (claimed.length === 0) await this.#rest(moment)
    }
  }

  /** Until something happens. When much does, its looks are not to take the database from those who submit. */
  async #rest(moment: number): Promise<void> {
    const { signal } = this.#stop
    const restedMs = performance.now()
    await this.#wakeup.since(moment, signal)
    const leftMs = restedMs + LEAST_REST_MS - performance.now()
    this.#shortRests = leftMs > 0 ? this.#shortRests + 1 : 0
    if (this.#shortRests > MOST_SHORT_RESTS) await delay(leftMs, undefined, { signal }).catch(() => undefined)
  }

  #start(claimed: ClaimedJob): void {
    const run = new JobRun({ ...this.#options, speed: this.#speed }, claimed).run(this.#stop.signal)
    this.#runs.add(run)
    void run.finally(() => {
      this.#runs.delete(run)
      this.#wakeup.ring()
    })
  }

  /** When all slots are taken, there are more for short recordings: a voice note does not wait until a long one has ended. */
  async #claim(): Promise<readonly ClaimedJob[]> {
    const { jobs, slots, expressSlots, asked, served, models, leaseMs, logger } = this.#options
    const ordinary = Math.max(0, slots - this.#runs.size)
    const atMost = { ordinary, express: slots + expressSlots - this.#runs.size - ordinary }
    if (ordinary + atMost.express === 0) return []
    const places = models && new Map(models.map((model) => [model, atMost]))
    try {
      const claimed = await jobs.claim({
        asked,
        served,
        places,
        leaseMs,
        atMost,
        urgentInARow: this.#urgent,
        worker: this.#id,
      })
      for (const { job } of claimed) this.#urgent = job.urgent ? this.#urgent + 1 : 0
      return claimed
    } catch (error) {
      logger.error({ err: error }, 'the jobs table does not answer the worker')
      return []
    }
  }

  /** Now and then, and at once when its speed is news, for which clients may wait. */
  #tell(): void {
    // One that has not begun yet tells of this as well.
    if (this.#isToTell) return
    this.#isToTell = true
    const before = this.#telling
    this.#telling = this.#announce(before)
  }

  /** That it is there, and how fast it goes. */
  async #announce(before: Promise<void>): Promise<void> {
    await before
    this.#isToTell = false
    const { workers, served, asked, models, slots, logger } = this.#options
    try {
      await workers.announce({ id: this.#id, served, asked, models, slots, speeds: this.#speed.speeds() })
    } catch (error) {
      logger.warn({ err: error }, 'the worker could not say that it is there')
    }
  }

  /** A database that is away learns of it by the silence. */
  async #withdraw(): Promise<void> {
    await this.#telling
    await this.#options.workers.withdraw(this.#id).catch(() => undefined)
  }
}
