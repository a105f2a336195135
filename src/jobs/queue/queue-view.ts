import { sql } from 'kysely'
import type { RawBuilder, SqlBool } from 'kysely'
import type { Database } from '../sql/dialect.ts'
import { forecast } from './forecast.ts'
import type { ForecastJob } from './forecast.ts'
import { isFinished } from '../job.ts'
import type { Job, ServiceTier } from '../job.ts'
import { partsOfQueue } from './queue-order.ts'
import { IS_READY, readyQueues } from './queues.ts'
import type { WorkerEntry, WorkerRegistry } from './worker-registry.ts'

/** Where an unfinished job stands. */
export interface QueuePosition {
  /** 1: it is next of those that the same workers take; 0: it runs. */
  readonly position: number
  /** Seconds until its transcript is there; null: nobody works on such jobs, or how fast is not known yet. */
  readonly etaSeconds: number | null
}

/** Of a queue, for those who scale the workers. */
export interface QueueTotal {
  readonly model: string
  readonly serviceTier: ServiceTier
  readonly status: 'pending' | 'processing'
  readonly jobs: number
  /** Seconds of audio that are still to be transcribed. */
  readonly audioSeconds: number
}

/** Jobs that are read of all queues. Those behind get no position: a forecast for a place that far back would be of no use. */
const DEPTH = 5000
/** Of each queue, however many there are. */
const MIN_DEPTH = 50
/** The snapshot is cached for so long. */
const FRESH_MS = 1000
const YOUNG_MS = 100
/** A job says how far it is with each window of so many seconds; between, it is taken to go on as fast as it should. */
const WINDOW_SECONDS = 30

interface Entry {
  readonly id: string
  readonly queue: string
  readonly rank: number
  readonly seconds: number
}

interface Snapshot {
  readonly takenAtMs: number
  readonly positions: ReadonlyMap<string, QueuePosition>
}

/** How far a running job was, and since when it is. */
interface Done {
  readonly seconds: number
  readonly sinceMs: number
}

interface Look {
  readonly takenAtMs: number
  readonly value: Promise<Snapshot>
}

/** What waits and what runs, as polls and metrics see it. */
export class QueueView {
  readonly #database: Database
  readonly #workers: WorkerRegistry
  #snapshot: Look | undefined
  #done: ReadonlyMap<string, Done> = new Map()

  constructor(database: Database, workers: WorkerRegistry) {
    this.#database = database
    this.#workers = workers
  }

  /** Undefined for a job that has finished, was submitted this moment, or is behind all that is looked at. */
  async positionOf({ id, status }: Pick<Job, 'id' | 'status'>): Promise<QueuePosition | undefined> {
    if (isFinished(status)) return undefined
    const isRunning = status === 'processing'
    const fits = (place: QueuePosition | undefined): boolean =>
      place !== undefined && (place.position === 0) === isRunning
    const known = positionIn(await this.#look(FRESH_MS), id)
    if (fits(known)) return known
    // A job that came, or was claimed or given back, since then is worth another look.
    const place = positionIn(await this.#look(YOUNG_MS), id)
    // The job as its poll tells it counts, whatever was read of it a moment before or after.
    if (fits(place)) return place
    return isRunning && place !== undefined ? { ...place, position: 0 } : undefined
  }

  /** Reads every waiting job's entry in an index: not for each request. */
  async totals(): Promise<readonly QueueTotal[]> {
    const { rows } = await sql<QueueTotal>`
      select model, service_tier as "serviceTier", status, count(*) as jobs,
        sum(audio_seconds - done_seconds) as "audioSeconds"
      from jobs where status in ('pending', 'processing') group by model, service_tier, status
    `.execute(this.#database.queries)
    return rows
  }

  #look(maxAgeMs: number): Promise<Snapshot> {
    const known = this.#snapshot
    if (known !== undefined && performance.now() - known.takenAtMs < maxAgeMs) return known.value
    const value = this.#take()
    this.#snapshot = { takenAtMs: performance.now(), value }
    // A database that is away is asked again by the next poll.
    value.catch(() => (this.#snapshot = undefined))
    return value
  }

  async #take(): Promise<Snapshot> {
    const [workers, running, waiting] = await Promise.all([this.#workers.list(), this.#running(), this.#waiting()])
    const takenAtMs = performance.now()
    this.#done = doneBy(running, this.#done, takenAtMs)
    const positions = new Map<string, QueuePosition>()
    for (const { id } of running) positions.set(id, { position: 0, etaSeconds: null })
    for (const group of groups(
      workers,
      [...running, ...waiting].map(({ queue }) => queue),
    )) {
      const { workers: takers, queues } = group
      const places = takers.reduce((sum, worker) => sum + worker.places, 0)
      const active = running.filter(({ queue }) => queues.has(queue))
      const sharing = Math.max(active.length, takers.length)
      const begun = active.flatMap((entry) => {
        const passedMs = takenAtMs - (this.#done.get(entry.id)?.sinceMs ?? takenAtMs)
        return forecastJob(entry, takers, passedMs / 1000 / sharing)
      })
      const behind = waiting.filter(({ queue }) => queues.has(queue))
      for (const [index, { id }] of behind.entries()) positions.set(id, { position: index + 1, etaSeconds: null })
      const others = behind.flatMap((entry) => forecastJob(entry, takers))
      const ends = forecast(begun, others, { workers: takers.length, places })
      for (const [id, etaSeconds] of ends) positions.set(id, { position: positions.get(id)?.position ?? 0, etaSeconds })
    }
    return { takenAtMs, positions }
  }

  async #running(): Promise<readonly Entry[]> {
    const { rows } = await sql<Entry>`
      select id, queue, rank, audio_seconds - done_seconds as seconds from jobs where status = 'processing'
    `.execute(this.#database.queries)
    return rows
  }

  /** Of each queue its first jobs, and what waits for its pause to end, all in the order of claiming. */
  async #waiting(): Promise<readonly Entry[]> {
    const { queries } = this.#database
    const first = async (
      which: RawBuilder<SqlBool>,
      order: RawBuilder<unknown>,
      depth: number,
    ): Promise<readonly Entry[]> => {
      const { rows } = await sql<Entry>`
        select id, queue, rank, audio_seconds - done_seconds as seconds from jobs where ${which} order by ${order} limit ${depth}
      `.execute(queries)
      return rows
    }
    const { rows } = await sql<{ queue: string }>`with recursive ${readyQueues()} select queue from queues`.execute(
      queries,
    )
    const depth = Math.max(MIN_DEPTH, Math.ceil(DEPTH / Math.max(1, rows.length)))
    const entries = await Promise.all([
      ...rows.map(({ queue }) => first(sql`${IS_READY} and queue = ${queue}`, sql`rank, sequence`, depth)),
      first(sql`status = 'pending' and not_before is not null`, sql`not_before`, DEPTH),
    ])
    return entries.flat().sort((one, other) => one.rank - other.rank)
  }
}

function positionIn({ positions, takenAtMs }: Snapshot, id: string): QueuePosition | undefined {
  const found = positions.get(id)
  if (found === undefined || found.etaSeconds === null) return found
  const passedSeconds = (performance.now() - takenAtMs) / 1000
  return { ...found, etaSeconds: Math.max(0, found.etaSeconds - passedSeconds) }
}

interface Group {
  readonly workers: readonly WorkerEntry[]
  readonly queues: ReadonlySet<string>
}

/** Queues that the same workers take from. */
function groups(workers: readonly WorkerEntry[], queues: readonly string[]): readonly Group[] {
  const found = new Map<string, { workers: readonly WorkerEntry[]; queues: Set<string> }>()
  for (const queue of new Set(queues)) {
    const { tier, model } = partsOfQueue(queue)
    const takers = workers.filter(
      ({ asked, models }) => asked.some((one) => one === tier) && (models === null || models.includes(model)),
    )
    const key = takers.map(({ id }) => id).join(' ')
    const group = found.get(key) ?? { workers: takers, queues: new Set() }
    group.queues.add(queue)
    found.set(key, group)
  }
  return [...found.values()]
}

/**
 * None when nobody knows how fast such a job goes.
 * @param servedSeconds how long all workers together would have worked on it since its last window
 */
function forecastJob(
  { id, queue, seconds }: Entry,
  workers: readonly WorkerEntry[],
  servedSeconds = 0,
): readonly ForecastJob[] {
  const { isExpress, model } = partsOfQueue(queue)
  const speed = workers.reduce((sum, { speeds }) => sum + (speeds[model] ?? 0), 0)
  if (speed === 0) return []
  const underWay = Math.min(servedSeconds * speed, WINDOW_SECONDS)
  return [{ id, work: Math.max(0, seconds - underWay) / speed, isExpress }]
}

function doneBy(
  running: readonly Entry[],
  before: ReadonlyMap<string, Done>,
  nowMs: number,
): ReadonlyMap<string, Done> {
  return new Map(
    running.map(({ id, seconds }) => {
      const known = before.get(id)
      return [id, known?.seconds === seconds ? known : { seconds, sinceMs: nowMs }]
    }),
  )
}
