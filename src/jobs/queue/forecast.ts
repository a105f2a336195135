/** A job as far as a forecast knows it. */
export interface ForecastJob {
  readonly id: string
  /** Seconds that all workers together would need for what is left of it. */
  readonly work: number
  /** Whether it may take the place that each worker keeps for short recordings. */
  readonly isExpress: boolean
}

export interface Capacity {
  /** Workers that take such jobs. */
  readonly workers: number
  /** Jobs that they run at the same time, all together; each has one place more for short recordings. */
  readonly places: number
}

interface Running {
  readonly id: string
  /** When it ends, in seconds of service that each running job has had. */
  readonly end: number
}

/**
 * When each job will have been transcribed, in seconds from now: the queue is played through. Jobs that run share the workers' speed evenly
 * (processor sharing), no job has more than one worker's, and a job that ends makes room for the next one in line.
 * @param waiting in the order of claiming
 */
export function forecast(
  running: readonly ForecastJob[],
  waiting: readonly ForecastJob[],
  { workers, places }: Capacity,
): ReadonlyMap<string, number> {
  const ends = new Map<string, number>()
  if (places < 1 || workers < 1) return ends
  const active: Running[] = []
  const lines = { express: [] as ForecastJob[], ordinary: [] as ForecastJob[] }
  for (const job of waiting.toReversed()) lines[job.isExpress ? 'express' : 'ordinary'].push(job)
  const order = new Map(waiting.map(({ id }, place) => [id, place]))
  let now = 0
  let service = 0

  const start = (job: ForecastJob): void => {
    const entry = { id: job.id, end: service + job.work }
    const place = active.findIndex(({ end }) => end > entry.end)
    active.splice(place === -1 ? active.length : place, 0, entry)
  }
  const first = (): 'express' | 'ordinary' => {
    const [express, ordinary] = [lines.express.at(-1), lines.ordinary.at(-1)]
    if (express === undefined) return 'ordinary'
    if (ordinary === undefined) return 'express'
    return (order.get(express.id) ?? 0) < (order.get(ordinary.id) ?? 0) ? 'express' : 'ordinary'
  }
  const fill = (): void => {
    while (active.length < places) {
      const next = lines[first()].pop()
      if (next === undefined) return
      start(next)
    }
    while (active.length < places + workers) {
      const next = lines.express.pop()
      if (next === undefined) return
      start(next)
    }
  }

  for (const job of running) start(job)
  fill()
  for (let next = active.shift(); next !== undefined; next = active.shift()) {
    const sharing = active.length + 1
    now += Math.max(0, next.end - service) * Math.max(sharing, workers)
    service = Math.max(service, next.end)
    ends.set(next.id, now)
    fill()
  }
  return ends
}
