import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { WorkerRegistry } from '../jobs/queue/worker-registry.ts'
import { JobRun } from './run/job-run.ts'
import type { JobRunOptions } from './run/job-run.ts'
import { Scheduler } from './admission/scheduler.ts'
import type { AdmittedJob, SchedulerOptions } from './admission/scheduler.ts'
import { SpeedMeter } from './run/speed-meter.ts'
import { Wakeup } from './wakeup.ts'

/** For what no event tells of: a pause that is over, an event that was lost on its way, a database that is there again. */
const POLL_INTERVAL_MS = 1000
const ANNOUNCE_INTERVAL_MS = 5000
const MIN_REST_MS = 20
/** One after the other: a few events are looked at at once. */
const SHORT_RESTS_IN_A_ROW = 8

export interface WorkerOptions
  extends
    Omit<JobRunOptions, 'speed'>,
    Pick<SchedulerOptions, 'places' | 'expressPlaces' | 'served' | 'asked' | 'models' | 'starvationBoundMs'> {
  readonly workers: WorkerRegistry
}

/** Takes jobs as its scheduler admits them: claim → transcribe → settle. */
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
  readonly #scheduler: Scheduler
  #shortRests = 0

  constructor(options: WorkerOptions) {
    this.#options = options
    const { jobs, transcriber } = options
    const onRoom = (): void => this.#wakeup.ring()
    this.#scheduler = this.#parts.use(
      new Scheduler({ ...options, worker: this.#id, engines: transcriber.engines, onRoom }),
    )
    this.#parts.use(jobs.on('claimable', () => this.#wakeup.ring()))
    const looking = setInterval(() => this.#wakeup.ring(), POLL_INTERVAL_MS)
    this.#parts.defer(() => clearInterval(looking))
    this.#parts.defer(() => this.#withdraw())
    const telling = setInterval(() => this.#tell(), ANNOUNCE_INTERVAL_MS)
    this.#parts.defer(() => clearInterval(telling))
    this.#tell()
    this.#dispatch = this.#loop()
  }

  /** The tiers whose jobs it takes. */
  get asked(): WorkerOptions['asked'] {
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
      const admitted = await this.#next()
      for (const job of admitted) this.#start(job)
      if (admitted.length === 0) await this.#rest(moment)
    }
  }

  /** Until something happens. When much does, its looks are not to take the database from those who submit. */
  async #rest(moment: number): Promise<void> {
    const { signal } = this.#stop
    const restedMs = performance.now()
    await this.#wakeup.since(moment, signal)
    const leftMs = restedMs + MIN_REST_MS - performance.now()
    this.#shortRests = leftMs > 0 ? this.#shortRests + 1 : 0
    if (this.#shortRests > SHORT_RESTS_IN_A_ROW) await delay(leftMs, undefined, { signal }).catch(() => undefined)
  }

  #start({ claimed, admission }: AdmittedJob): void {
    const run = new JobRun({ ...this.#options, speed: this.#speed }, claimed, admission).run(this.#stop.signal)
    this.#runs.add(run)
    void run.finally(() => {
      this.#runs.delete(run)
      admission?.[Symbol.dispose]()
    })
  }

  async #next(): Promise<readonly AdmittedJob[]> {
    try {
      return await this.#scheduler.next()
    } catch (error) {
      this.#options.logger.error({ err: error }, 'the jobs table does not answer the worker')
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
    const { workers, served, asked, models, places, logger } = this.#options
    try {
      await workers.announce({ id: this.#id, served, asked, models, places, speeds: this.#speed.speeds() })
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
