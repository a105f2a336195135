import type { Logger } from 'pino'
import type { LengthProbe, ProbedLength, ProbedObject } from '../payloads/length-probe.ts'
import { withEnds } from './file-ends.ts'
import { ProbeProcess } from './probe-process.ts'
import type { ProbeEnd } from './probe-process.ts'

/** A submit does not wait longer for it. */
const LIMIT_MS = 2000
/** Of this at most so much passes until a process is free: what is begun has the rest for itself. */
const WAITING_SHARE = 0.5

/** A process has a file for milliseconds, unless the store is slow, or the file hostile. */
const PROCESSES = 4
/** What one owner's files may hold of them, should they all hang. */
const PROCESSES_PER_OWNER = 2
/** So many files of one owner are read ahead, each up to 192 KB, while others have the processes. */
const MAX_AHEAD_PER_OWNER = 16
/** More submits of one owner that wait at once do not get a turn in time. */
const MAX_WAITING_PER_OWNER = 1000

/** One process stays; others end when they had nothing to do for so long. */
const IDLE_MS = 30_000
/** Where a process can't be started at all, the next try. */
const RESTART_MS = 10_000

const UNKNOWN: ProbedLength = { seconds: undefined, isFinal: false }

interface Waiting {
  /** With its ends read, once it is `ready`. */
  object: ProbedObject
  state: 'new' | 'reading' | 'ready'
  readonly owner: string
  readonly since: number
  readonly resolve: (length: ProbedLength) => void
  readonly timer: NodeJS.Timeout
}

export interface HeaderProbeOptions {
  readonly logger: Logger
  readonly limitMs?: number
}

/**
 * Reads lengths off headers in processes that can be killed: FFmpeg parses them, as it does later when the recording is decoded, and whatever a
 * hostile file makes it do ends with the process, after two seconds at the latest. The length is unknown then, and nothing else happens.
 */
export class HeaderProbe implements LengthProbe, AsyncDisposable {
  readonly #logger: Logger
  readonly #limitMs: number
  readonly #all = new Set<ProbeProcess>()
  readonly #idle: { readonly process: ProbeProcess; readonly timer: NodeJS.Timeout }[] = []
  readonly #waiting = new Set<Waiting>()
  readonly #busyOf = new Map<string, number>()
  #starting = 0
  #restartAt = 0
  #isClosed = false

  constructor({ logger, limitMs = LIMIT_MS }: HeaderProbeOptions) {
    this.#logger = logger
    this.#limitMs = limitMs
  }

  /** Starts a process; resolves when it is ready, or could not be started, which is logged: lengths are guessed then. */
  async start(): Promise<void> {
    await this.#start()
  }

  /** Process ids, in no order. */
  get pids(): readonly number[] {
    return [...this.#all].flatMap(({ pid }) => pid ?? [])
  }

  async lengthOf(object: ProbedObject, owner: string): Promise<ProbedLength> {
    const waitingOfOwner = [...this.#waiting].filter((waiting) => waiting.owner === owner).length
    if (this.#isClosed || waitingOfOwner >= MAX_WAITING_PER_OWNER) return UNKNOWN
    const { promise, resolve } = Promise.withResolvers<ProbedLength>()
    const timer = setTimeout(() => this.#giveUp(waiting), WAITING_SHARE * this.#limitMs)
    const waiting: Waiting = { object, state: 'new', owner, since: performance.now(), resolve, timer }
    this.#waiting.add(waiting)
    this.#dispatch()
    return await promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    for (const waiting of this.#waiting) this.#giveUp(waiting)
    for (const { timer } of this.#idle) clearTimeout(timer)
    const all = [...this.#all]
    for (const process of all) process.kill()
    await Promise.all(all.map(({ exited }) => exited))
  }

  #giveUp(waiting: Waiting): void {
    clearTimeout(waiting.timer)
    this.#waiting.delete(waiting)
    waiting.resolve(UNKNOWN)
  }

  /** Gives free processes to those who wait, in their order, and starts as many as are wanting. */
  #dispatch(): void {
    const heldBy = new Map(this.#busyOf)
    const aheadOf = new Map<string, number>()
    let wanting = 0
    for (const waiting of this.#waiting) {
      const { owner } = waiting
      const ahead = (aheadOf.get(owner) ?? 0) + 1
      aheadOf.set(owner, ahead)
      if (ahead > MAX_AHEAD_PER_OWNER) continue
      if (waiting.state === 'new') void this.#readAhead(waiting)
      const held = heldBy.get(owner) ?? 0
      if (waiting.state !== 'ready' || held >= PROCESSES_PER_OWNER) continue
      heldBy.set(owner, held + 1)
      const free = this.#takeIdle()
      if (free === undefined) wanting++
      else void this.#run(free, waiting)
    }
    const living = [...this.#all].filter(({ isAlive }) => isAlive).length
    const startable = performance.now() < this.#restartAt ? 0 : Math.min(wanting - this.#starting, PROCESSES - living)
    for (let left = startable; left > 0; left--) void this.#start()
  }

  /** Where the store is far away, many files are read at once, and each has a process for milliseconds. */
  async #readAhead(waiting: Waiting): Promise<void> {
    waiting.state = 'reading'
    try {
      waiting.object = await withEnds(waiting.object)
    } catch {
      this.#giveUp(waiting)
      return
    }
    waiting.state = 'ready'
    this.#dispatch()
  }

  async #run(process: ProbeProcess, waiting: Waiting): Promise<void> {
    const { object, owner, since, resolve, timer } = waiting
    clearTimeout(timer)
    this.#waiting.delete(waiting)
    this.#busyOf.set(owner, (this.#busyOf.get(owner) ?? 0) + 1)
    const length = await process.lengthOf(object, this.#limitMs - (performance.now() - since))
    const busy = (this.#busyOf.get(owner) ?? 1) - 1
    if (busy === 0) this.#busyOf.delete(owner)
    else this.#busyOf.set(owner, busy)
    resolve(length)
    if (process.isAlive) this.#rest(process)
    else this.#replace()
    this.#dispatch()
  }

  #takeIdle(): ProbeProcess | undefined {
    for (;;) {
      const found = this.#idle.pop()
      clearTimeout(found?.timer)
      // One that was killed from outside may not be gone yet.
      if (found === undefined || found.process.isAlive) return found?.process
    }
  }

  #rest(process: ProbeProcess): void {
    const timer = setTimeout(() => {
      if (this.#idle.length === 1) return
      this.#forget(process)
      process.kill()
    }, IDLE_MS)
    timer.unref()
    this.#idle.push({ process, timer })
  }

  #forget(process: ProbeProcess): void {
    const index = this.#idle.findIndex((idle) => idle.process === process)
    for (const { timer } of index === -1 ? [] : this.#idle.splice(index, 1)) clearTimeout(timer)
  }

  async #start(): Promise<void> {
    this.#starting++
    const process = this.#launch()
    const isReady = (await process?.ready) ?? false
    this.#starting--
    if (this.#isClosed) return
    if (process !== undefined && isReady) {
      this.#rest(process)
    } else {
      this.#restartAt = performance.now() + RESTART_MS
      this.#logger.error('no process could be started that reads the headers of recordings; their lengths are guessed')
    }
    this.#dispatch()
  }

  /** Undefined where the system has no process to give. */
  #launch(): ProbeProcess | undefined {
    try {
      const process = new ProbeProcess((why) => this.#tell(why))
      this.#all.add(process)
      void process.exited.then(() => this.#lose(process))
      return process
    } catch {
      return undefined
    }
  }

  #lose(process: ProbeProcess): void {
    this.#all.delete(process)
    this.#forget(process)
    this.#replace()
  }

  /** So that the next file finds one ready. */
  #replace(): void {
    const isThere = [...this.#all].some(({ isAlive }) => isAlive)
    if (!this.#isClosed && !isThere && performance.now() >= this.#restartAt) void this.#start()
  }

  #tell(why: ProbeEnd): void {
    if (this.#isClosed) return
    const reason = why === 'late' ? 'took too long' : 'ended the process that read them'
    this.#logger.warn(`the headers of a recording ${reason}; its length is guessed`)
  }
}
