import { setTimeout as delay } from 'node:timers/promises'
import { CodedError } from '../../contract/coded-error.ts'
import type { JobEvent } from '../../contract/job-event.ts'
import { followJob, followKey } from '../../jobs/events/follow.ts'
import type { ToldEvent } from '../../jobs/events/follow.ts'
import { isFinished } from '../../jobs/job.ts'
import type { Job } from '../../jobs/job.ts'
import type { QueuePosition } from '../../jobs/queue/queue-view.ts'
import type { ApiContext } from '../context.ts'
import { Progress, segmentsData, statusData } from './event-data.ts'
import type { EventStream } from './event-streams.ts'
import { frame } from './stream-writer.ts'

type StreamContext = Pick<ApiContext, 'jobs' | 'queue'>

/** The last event's id of a job whose end is in no event, having finished with a version that wrote none. */
export const END_ID = 'end'

/** While the database is away, the stream stays open: clients give up for good at a status that is not 200. */
const AWAY_MS = 1000
/** A forecast that is off by no more is no news. */
const ETA_TOLERANCE = { seconds: 2, share: 0.1 } as const

/** Tells a job's events from one on, to its end. */
export async function tellJob(stream: EventStream, job: Job, after: number, context: StreamContext): Promise<void> {
  const { writer, signal } = stream
  const { jobs, queue } = context
  const teller = new JobTeller(job, stream, context)
  const forecast = new Forecast(queue, job.id)
  const tellProgress = async (isDue: boolean): Promise<void> => {
    const place = await forecast.look(teller.progress.status)
    if (signal.aborted || isFinished(teller.progress.status) || !(isDue || forecast.isNews)) return
    forecast.told()
    writer.setLatest(job.id, frame('progress', teller.progress.data(place)))
  }
  // How far a job has been is of no use once it has finished.
  const isUnderWay = !isFinished(job.status)
  if (isUnderWay) {
    stream.onTick = () => void tellProgress(false)
    void tellProgress(true)
  }
  await goingOn(after, signal, async function* (last) {
    for await (const told of followJob(jobs, job.id, { after: last, signal })) {
      if ((await teller.tell(told)) && isUnderWay) await tellProgress(true)
      yield told
      await writer.room()
    }
  })
  const left = signal.aborted ? undefined : await jobs.find(job.id)
  if (left !== undefined && !teller.hasEnded) teller.tellEndOf(left)
}

/** Tells the events of all jobs of a key, without an end. */
export async function tellKey(
  stream: EventStream,
  keyId: string,
  { after, text }: { readonly after: number; readonly text: boolean },
  context: StreamContext,
): Promise<void> {
  const { writer, signal } = stream
  const { jobs } = context
  const tellers = new Map<string, JobTeller>()
  const tellerOf = async ({ jobId }: JobEvent): Promise<JobTeller> => {
    const known = tellers.get(jobId)
    if (known !== undefined) return known
    const teller = new JobTeller((await jobs.find(jobId)) ?? jobId, stream, context)
    tellers.set(jobId, teller)
    return teller
  }
  await goingOn(after, signal, async function* (last) {
    for await (const told of followKey(jobs, keyId, { after: last, signal, text })) {
      const { jobId } = told.event
      const teller = await tellerOf(told.event)
      if (await teller.tell(told)) writer.setLatest(jobId, frame('progress', teller.progress.data()))
      if (teller.hasEnded) tellers.delete(jobId)
      yield told
      await writer.room()
    }
  })
}

/** Follows events, and goes on behind the last when the database was away. */
async function goingOn(
  after: number,
  signal: AbortSignal,
  follow: (after: number) => AsyncIterable<ToldEvent>,
): Promise<void> {
  for (let last = after; ;) {
    try {
      for await (const { event } of follow(last)) last = event.sequence
      return
    } catch (error) {
      if (signal.aborted || !(error instanceof CodedError) || !error.retryable) throw error
      await delay(AWAY_MS, undefined, { signal })
    }
  }
}

/** Turns the events of one job into what a stream says of them. */
class JobTeller {
  readonly progress: Progress
  readonly #jobId: string
  readonly #stream: EventStream
  readonly #context: StreamContext
  #hasEnded = false

  /** @param job its id, where it is gone */
  constructor(job: Job | string, stream: EventStream, context: StreamContext) {
    const [jobId, known] = typeof job === 'string' ? [job, undefined] : [job.id, job]
    this.#jobId = jobId
    this.progress = new Progress(jobId, known)
    this.#stream = stream
    this.#context = context
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** Says whether there is progress to tell. */
  async tell({ event, passage }: ToldEvent): Promise<boolean> {
    const { writer } = this.#stream
    const hasProgress = this.progress.add(event)
    if (passage !== null) writer.push(frame('segments', segmentsData(this.#jobId, passage), event.sequence))
    const isEnd = event.kind === 'finished'
    const error = isEnd && event.data.code !== undefined ? await this.#error() : null
    const status = statusData(event, error)
    if (isEnd) {
      this.#hasEnded = true
      writer.flushLatest()
    }
    if (status !== null) writer.push(frame('status', status, event.sequence))
    return hasProgress
  }

  /** The end of a job that has no event of it. */
  tellEndOf({ status, error, completedAt, acceptedAt }: Job): void {
    if (!isFinished(status)) return
    const at = (completedAt ?? acceptedAt).toISOString()
    const data = { id: this.#jobId, at, status, ...(error && { error }) }
    this.#stream.writer.push(frame('status', data, END_ID))
  }

  async #error(): Promise<Job['error']> {
    return (await this.#context.jobs.find(this.#jobId))?.error ?? null
  }
}

/** A job's place in the queue, and whether it is another than was told. */
class Forecast {
  readonly #queue: StreamContext['queue']
  readonly #jobId: string
  #place: QueuePosition | undefined
  #told: { readonly place: QueuePosition | undefined; readonly atMs: number } | undefined

  constructor(queue: StreamContext['queue'], jobId: string) {
    this.#queue = queue
    this.#jobId = jobId
  }

  /** Undefined also while the database is away. */
  async look(status: Job['status']): Promise<QueuePosition | undefined> {
    this.#place = await this.#queue.positionOf({ id: this.#jobId, status }).catch(() => undefined)
    return this.#place
  }

  get isNews(): boolean {
    const place = this.#place
    if (place === undefined || this.#told === undefined) return place !== undefined
    const before = this.#told.place
    if (before?.position !== place.position) return true
    if (before.etaSeconds === null || place.etaSeconds === null) return before.etaSeconds !== place.etaSeconds
    const expected = Math.max(0, before.etaSeconds - (performance.now() - this.#told.atMs) / 1000)
    const tolerated = Math.max(ETA_TOLERANCE.seconds, ETA_TOLERANCE.share * expected)
    return Math.abs(place.etaSeconds - expected) > tolerated
  }

  told(): void {
    this.#told = { place: this.#place, atMs: performance.now() }
  }
}
