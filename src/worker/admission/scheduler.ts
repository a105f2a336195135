import type { Logger } from 'pino'
import type { ServiceTier } from '../../jobs/job.ts'
import { countsAsExpress } from '../../jobs/queue/queue-order.ts'
import type { ClaimedJob, JobStore, Places, WaitingModel } from '../../jobs/job-store.ts'
import { planAdmission } from './admission-plan.ts'
import type { AdmissionPlan, Candidate } from './admission-plan.ts'
import { sharedEngine } from '../engines/engine-places.ts'
import type { EngineNeeds } from '../engines/engine-places.ts'
import type { Held } from '../engines/engine-pool.ts'
import { Stopped } from '../run/settling.ts'
import type { LocalEngines } from '../transcriber.ts'
import { WorkerPlaces, isAny } from './worker-places.ts'
import type { WorkerPlacesOptions } from './worker-places.ts'

// Admission comes before the claim: the scheduler asks the store which models have jobs that wait, divides memory and places among them
// (admission-plan.ts), and claims what fits. Each claimed job gets its places before anything else happens, so that no other claim
// is offered them; they are its own until it ends. Nothing waits for memory or a place inside a claimed job.
//
// A worker's places are for jobs, an engine's for the tasks of one model. Of both, the last ones are kept for short jobs.
//
// What only becomes known with the claim:
//
// - A model whose weights are not here, or can't be read, has no known needs. One of its jobs is claimed all the same, and fetches them,
//   beside all places and holding none, so that it keeps nobody out; its lease, its timeout and its cancellation are the download's. (Were
//   they fetched for a job that nobody has claimed, each worker of many would do so.) When they are here it goes on if its model fits
//   now, before those that wait but for the starving ones; else it goes back uncounted, and is claimed again like any other. It is also
//   this job that fails when they can't be had.
// - A suspect, whose process died, runs in a process of its own. `waiting` says whether a model's next job is one, so that there
//   is memory for it when it is claimed. One that comes unforeseen, behind others of the same claim or since another worker was faster,
//   goes back uncounted when there is none, and is foreseen as soon as it is next.

/** How long a model may be kept out by others that are in use. Loading one takes as long. */
const STARVATION_BOUND_MS = 5000
/** Models whose weights are fetched at the same time: more of them would share one line. */
const FETCHES_AT_ONCE = 2

export interface SchedulerOptions extends WorkerPlacesOptions {
  /** Id of the worker, for the history of its jobs. */
  readonly worker: string
  readonly jobs: Pick<JobStore, 'claim' | 'waiting'>
  /** Undefined: jobs share nothing here but the worker's places. */
  readonly engines: LocalEngines | undefined
  /** The tier that this worker is, and the tiers whose jobs it takes. */
  readonly served: ServiceTier
  readonly asked: readonly ServiceTier[]
  /** The models whose jobs it takes; null: any. */
  readonly models: readonly string[] | null
  readonly leaseMs: number
  readonly logger: Logger
  /** Called when there may be room for more. */
  readonly onRoom: () => void
  readonly starvationBoundMs?: number
  readonly nowMs?: () => number
}

/** Leave to run: the places that a job has until it is disposed. */
export interface Admission extends Disposable {
  /** See `TranscriptionTask.engine`. */
  readonly engine: (() => Promise<Held>) | undefined
}

export interface AdmittedJob {
  readonly claimed: ClaimedJob
  /** Null: it found no room after all, and is to go back. */
  readonly admission: Admission | null
}

/** Decides which jobs a worker takes, and when. */
export class Scheduler implements Disposable {
  readonly #options: SchedulerOptions
  readonly #boundMs: number
  readonly #nowMs: () => number
  readonly #room: Disposable | undefined
  readonly #places: WorkerPlaces
  #urgentInARow = 0
  /** Models whose weights a job fetches. */
  readonly #fetching = new Set<string>()
  /** As of the last look. */
  #candidates: readonly Candidate[] = []
  #closed: ReadonlySet<string> = new Set()

  constructor(options: SchedulerOptions) {
    this.#options = options
    this.#places = new WorkerPlaces(options)
    this.#boundMs = options.starvationBoundMs ?? STARVATION_BOUND_MS
    this.#nowMs = options.nowMs ?? (() => performance.now())
    this.#room = options.engines?.pool.onRoom(options.onRoom)
  }

  [Symbol.dispose](): void {
    this.#room?.[Symbol.dispose]()
  }

  /** Claims jobs that fit now. Not to be called again before it has answered. */
  async next(): Promise<readonly AdmittedJob[]> {
    const { jobs, engines, asked, models } = this.#options
    const atMost = this.#places.free
    if (engines === undefined) {
      if (!isAny(atMost, true)) return []
      const claimed = await this.#claim(models && new Map(models.map((model) => [model, atMost])), atMost)
      return claimed.map((job) => ({ claimed: job, admission: this.#admit(undefined) }))
    }
    if (!isAny(atMost, true) && this.#fetching.size >= FETCHES_AT_ONCE) return []
    const waiting = (await jobs.waiting(asked)).filter(({ model }) => models === null || models.includes(model))
    const { candidates, unknown } = await this.#look(waiting, engines)
    this.#candidates = candidates
    const { places } = this.#plan(candidates, engines)
    const fits = candidates.some(
      ({ model, hasExpress }) => isAny(places.get(model), hasExpress) && isAny(atMost, hasExpress),
    )
    const claimed = fits ? await this.#claim(places, atMost) : []
    return claimed.length > 0 ? this.#admitAll(claimed, engines) : await this.#claimToFetch(unknown, engines)
  }

  async #claim(places: ReadonlyMap<string, Places> | null, atMost: Places): Promise<readonly ClaimedJob[]> {
    const { jobs, asked, served, leaseMs, worker } = this.#options
    const claimed = await jobs.claim({
      asked,
      served,
      leaseMs,
      places,
      atMost,
      urgentInARow: this.#urgentInARow,
      worker,
    })
    for (const { job } of claimed) this.#urgentInARow = job.urgent ? this.#urgentInARow + 1 : 0
    return claimed
  }

  /** What the models that wait take; of some nobody knows. */
  async #look(
    waiting: readonly WaitingModel[],
    engines: LocalEngines,
  ): Promise<{ readonly candidates: readonly Candidate[]; readonly unknown: readonly WaitingModel[] }> {
    const candidates: Candidate[] = []
    const unknown: WaitingModel[] = []
    for (const next of waiting) {
      // What is wrong with it, the job that is claimed for its sake finds out again, and fails with it.
      const needs = await engines.needsOf(next.model).catch(() => undefined)
      if (needs === undefined) unknown.push(next)
      else candidates.push({ ...next, needs, keptOutMs: this.#keptOutMs(next, needs, engines) })
    }
    return { candidates, unknown }
  }

  #keptOutMs({ isSuspect, readyForMs }: WaitingModel, needs: EngineNeeds, { pool }: LocalEngines): number {
    if (isSuspect) return readyForMs
    if ((sharedEngine(pool.engines, needs)?.holders ?? 0) > 0) return 0
    return Math.min(readyForMs, this.#nowMs() - (pool.leftAtMs(needs.modelFolder) ?? Number.NEGATIVE_INFINITY))
  }

  #plan(candidates: readonly Candidate[], { pool }: LocalEngines): AdmissionPlan {
    const { engines, memoryBytes } = pool
    const plan = planAdmission(candidates, { engines, memoryBytes, boundMs: this.#boundMs, nowMs: this.#nowMs() })
    for (const [modelFolder, keptOut] of plan.closed) {
      if (this.#closed.has(modelFolder)) continue
      this.#options.logger.info({ modelFolder, keptOut }, 'no new jobs of a model, until another one has its memory')
    }
    this.#closed = new Set(plan.closed.keys())
    return plan
  }

  /** Those first whose model is loaded, so that none of them is unloaded for another one. */
  #admitAll(claimed: readonly ClaimedJob[], engines: LocalEngines): readonly AdmittedJob[] {
    const needs = new Map(this.#candidates.map((candidate) => [candidate.model, candidate.needs]))
    const isLoaded = ({ job }: ClaimedJob): boolean => {
      const known = needs.get(job.model)
      return known !== undefined && sharedEngine(engines.pool.engines, known) !== undefined
    }
    return claimed
      .toSorted((one, other) => Number(isLoaded(other)) - Number(isLoaded(one)))
      .map((job) => ({ claimed: job, admission: this.#place(job, needs.get(job.job.model), engines) }))
  }

  #place({ job }: ClaimedJob, needs: EngineNeeds | undefined, { pool }: LocalEngines): Admission | null {
    const held = needs && pool.hold(needs, { isAlone: job.crashes > 0, isExpress: countsAsExpress(job) })
    return held === undefined ? null : this.#admit(held)
  }

  #admit(held: Held | undefined): Admission {
    const place = this.#places.take()
    return {
      engine: held && (() => Promise.resolve(held)),
      [Symbol.dispose]: () => {
        held?.[Symbol.dispose]()
        place[Symbol.dispose]()
        this.#options.onRoom()
      },
    }
  }

  /** One job of one of these models, whichever is next. */
  async #claimToFetch(unknown: readonly WaitingModel[], engines: LocalEngines): Promise<readonly AdmittedJob[]> {
    const next = unknown.find(({ model }) => !this.#fetching.has(model))
    if (next === undefined || this.#fetching.size >= FETCHES_AT_ONCE) return []
    const one = { ordinary: 1, express: 0 }
    const claimed = await this.#claim(new Map([[next.model, one]]), one)
    return claimed.map((job) => ({ claimed: job, admission: this.#admitToFetch(job, engines) }))
  }

  #admitToFetch(claimed: ClaimedJob, engines: LocalEngines): Admission {
    const { model } = claimed.job
    let admission: Admission | null = null
    this.#fetching.add(model)
    return {
      engine: async () => {
        const needs = await engines.needsOf(model)
        this.#fetching.delete(model)
        admission =
          needs === undefined || !this.#fits(claimed, needs, engines) ? null : this.#place(claimed, needs, engines)
        if (admission?.engine === undefined) throw new Stopped('no-room')
        return await admission.engine()
      },
      [Symbol.dispose]: () => {
        this.#fetching.delete(model)
        admission?.[Symbol.dispose]()
        this.#options.onRoom()
      },
    }
  }

  /** Whether a job fits whose weights have come: it stands before those that wait, but for those that were kept out for too long. */
  #fits({ job }: ClaimedJob, needs: EngineNeeds, engines: LocalEngines): boolean {
    const isShort = countsAsExpress(job)
    const { model } = job
    const isSuspect = job.crashes > 0
    const candidate = { model, needs, isSuspect, isExpress: isShort, hasExpress: isShort, keptOutMs: 0 }
    const others = this.#candidates.filter((known) => known.model !== model)
    const { places } = this.#plan([candidate, ...others], engines)
    return isAny(places.get(model), isShort) && isAny(this.#places.free, isShort)
  }
}
