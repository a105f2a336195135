import type { Places } from '../../jobs/job-store.ts'
import { ordinaryPlaces, sharedEngine } from '../engines/engine-places.ts'
import type { Engine, EngineNeeds } from '../engines/engine-places.ts'

/** A model that has jobs which wait, and what it would take to run them. */
export interface Candidate {
  readonly model: string
  readonly needs: EngineNeeds
  /** Whether its next job is to have a process of its own, since it was there when one died. */
  readonly isSuspect: boolean
  /** Whether that job is short, and whether any is. */
  readonly isExpress: boolean
  readonly hasExpress: boolean
  /** How long its next job has been ready while none of the model was let in. */
  readonly keptOutMs: number
}

export interface Resources {
  readonly engines: readonly Engine[]
  /** What engines may take together. */
  readonly memoryBytes: number
  /** How long a model may be kept out; and how long at least one serves that is loaded, for which it then makes way. */
  readonly boundMs: number
  readonly nowMs: number
}

export interface AdmissionPlan {
  /** Of the models that fit, all of them together: how many of their jobs do. */
  readonly places: ReadonlyMap<string, Places>
  /** Folders of the models that let no more in, by the model that is to have their memory. */
  readonly closed: ReadonlyMap<string, string>
}

/**
 * Divides the machine among the models whose jobs wait. What comes first in the queues' order gets its memory first, for which idle models
 * are unloaded, and what does not fit is passed (backfilling) until it has been kept out for too long. From then on it comes before all
 * others, the one that was kept out longest first, and no new tasks are let into the engines whose memory it needs: they drain, and are
 * unloaded. Two exceptions:
 *
 * - A model that was loaded serves for as long as the bound, and as long as its loading took, before it has to make way while it has jobs:
 *   its quantum. So models that alternate spend at least half of the time serving.
 * - An engine that has to finish a long task anyway lets short ones in beside it (EASY backfilling): they keep nobody waiting who does
 *   not wait already, and a voice note shall not wait behind a three-hour file.
 *
 * No running task is preempted for memory: it is waited for.
 * @param candidates in the order of the queues
 */
export function planAdmission(candidates: readonly Candidate[], resources: Resources): AdmissionPlan {
  const { boundMs, engines } = resources
  const plan = new Plan(resources)
  const hasQuantum = ({ needs, isSuspect }: Candidate): boolean => {
    const shared = sharedEngine(engines, needs)
    return shared !== undefined && !isSuspect && !plan.hasServed(shared)
  }
  const inQuantum = candidates.filter(hasQuantum)
  const others = candidates.filter((candidate) => !inQuantum.includes(candidate))
  const isStarving = ({ keptOutMs }: Candidate): boolean => keptOutMs >= boundMs
  for (const candidate of inQuantum) plan.add(candidate, false)
  const starving = others.filter(isStarving).toSorted((one, other) => other.keptOutMs - one.keptOutMs)
  for (const candidate of starving) plan.add(candidate, true)
  for (const candidate of others) if (!isStarving(candidate)) plan.add(candidate, false)
  return plan
}

class Plan implements AdmissionPlan {
  readonly places = new Map<string, Places>()
  readonly closed = new Map<string, string>()
  readonly #resources: Resources
  /** Bytes that are free, or taken by idle engines that nothing in the plan needs; negative: promised beyond what is free. */
  #freeBytes: number
  /** Idle engines that the plan needs. */
  readonly #kept = new Set<Engine>()
  /** Engines in use whose memory is promised to who is kept out. */
  readonly #promised = new Set<Engine>()

  constructor(resources: Resources) {
    this.#resources = resources
    this.#freeBytes = resources.memoryBytes - sum(resources.engines.filter(isInUse))
  }

  add(candidate: Candidate, isStarving: boolean): void {
    const { model, needs, isSuspect, isExpress } = candidate
    const shared = sharedEngine(this.#resources.engines, needs)
    if (shared !== undefined && !isSuspect && this.#keeps(shared)) {
      this.#offer(candidate, this.closed.has(needs.modelFolder) ? besideLong(shared) : openPlaces(shared))
      return
    }
    // What is larger than all memory is tried, alone.
    const bytes = Math.min(needs.bytes, this.#resources.memoryBytes)
    if (bytes <= this.#freeBytes) {
      this.#freeBytes -= bytes
      const one = isExpress ? { ordinary: 0, express: 1 } : { ordinary: 1, express: 0 }
      this.#offer(candidate, isSuspect ? one : openPlaces({ ...needs, takenPlaces: 0 }))
      return
    }
    // One that may have crashed has waited already, and the jobs of its model stand behind it.
    if (isStarving || isSuspect) this.#makeWay(bytes, model)
    if (isSuspect && !isExpress && shared !== undefined && isInUse(shared)) this.#offer(candidate, besideLong(shared))
  }

  /** Whether its quantum is over. */
  hasServed({ loadedAtMs, servesSinceMs }: Engine): boolean {
    const { boundMs, nowMs } = this.#resources
    return servesSinceMs !== undefined && nowMs - servesSinceMs >= Math.max(boundMs, servesSinceMs - loadedAtMs)
  }

  #offer({ model, hasExpress }: Candidate, { ordinary, express }: Places): void {
    const places = { ordinary, express: hasExpress ? express : 0 }
    if (places.ordinary + places.express > 0) this.places.set(model, places)
  }

  /** Whether an engine that is loaded stays so. */
  #keeps(engine: Engine): boolean {
    if (isInUse(engine) || this.#kept.has(engine)) return true
    if (engine.bytes > this.#freeBytes) return false
    this.#freeBytes -= engine.bytes
    this.#kept.add(engine)
    return true
  }

  /** Promises memory to a model that is kept out: of what is free, and of as few engines as it takes, those first that have served longest. */
  #makeWay(bytes: number, model: string): void {
    let missing = bytes - Math.max(0, this.#freeBytes)
    const chosen: Engine[] = []
    for (const engine of this.#resources.engines.filter(isInUse).toSorted(byService)) {
      if (missing <= 0) break
      if (this.#promised.has(engine)) continue
      chosen.push(engine)
      missing -= engine.bytes
    }
    if (missing > 0) return
    const needed = chosen.filter((engine) => {
      const isSuperfluous = missing + engine.bytes <= 0
      if (isSuperfluous) missing += engine.bytes
      return !isSuperfluous
    })
    this.#freeBytes -= Math.max(0, bytes - sum(needed))
    for (const engine of needed) {
      this.#promised.add(engine)
      if (!engine.isAlone && this.hasServed(engine)) this.closed.set(engine.modelFolder, model)
    }
  }
}

function isInUse({ holders }: Engine): boolean {
  return holders > 0
}

function sum(engines: readonly Engine[]): number {
  return engines.reduce((bytes, engine) => bytes + engine.bytes, 0)
}

function byService(one: Engine, other: Engine): number {
  return (one.servesSinceMs ?? Infinity) - (other.servesSinceMs ?? Infinity) || one.loadedAtMs - other.loadedAtMs
}

function openPlaces({ places, takenPlaces }: Pick<Engine, 'places' | 'takenPlaces'>): Places {
  const ordinary = Math.max(0, ordinaryPlaces(places) - takenPlaces)
  return { ordinary, express: Math.max(0, places - takenPlaces - ordinary) }
}

/** Of an engine that lets no more in, while a long task keeps it loaded anyway. */
function besideLong({ places, takenPlaces, holders, expressHolders }: Engine): Places {
  return { ordinary: 0, express: holders > expressHolders ? Math.max(0, places - takenPlaces) : 0 }
}
