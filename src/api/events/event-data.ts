import Type from 'typebox'
import type { Static } from 'typebox'
import type { JobEvent } from '../../contract/job-event.ts'
import { PassageSchema } from '../../contract/transcript.ts'
import type { Passage } from '../../contract/transcript.ts'
import { JOB_STATUSES, SERVICE_TIERS } from '../../jobs/job.ts'
import type { Job } from '../../jobs/job.ts'
import type { QueuePosition } from '../../jobs/queue/queue-view.ts'
import { nullable } from '../nullable.ts'

const id = Type.String({ format: 'uuid', description: 'Of the job.' })
const status = Type.Enum(JOB_STATUSES)

/** What a stream tells, by the names of its events. */
export const STREAM_EVENTS = {
  status: Type.Object(
    {
      id,
      status,
      at: Type.String({ format: 'date-time' }),
      model: Type.Optional(Type.String({ description: 'When it was accepted, as are serviceTier and audioSeconds.' })),
      serviceTier: Type.Optional(Type.Enum(SERVICE_TIERS)),
      audioSeconds: Type.Optional(Type.Number()),
      attempt: Type.Optional(Type.Integer({ description: 'When it is taken up: for the how manieth time.' })),
      servedTier: Type.Optional(Type.Enum(SERVICE_TIERS)),
      waitingFor: Type.Optional(
        Type.Object({ code: Type.String() }, { description: 'When it was given back to be tried again: why.' }),
      ),
      notBefore: Type.Optional(
        Type.String({ format: 'date-time', description: 'When it was given back: it does not run again before that.' }),
      ),
      cancelRequested: Type.Optional(Type.Literal(true, { description: 'It runs, and is about to be cancelled.' })),
      error: Type.Optional(
        Type.Object({ code: Type.String(), message: Type.Optional(Type.String()) }, { description: 'When it failed.' }),
      ),
    },
    { description: 'Each transition. The one to success, failed or cancelled is a job’s last event.' },
  ),
  progress: Type.Object(
    {
      id,
      status,
      doneSeconds: Type.Number({ description: 'How much of the recording has become text.' }),
      audioSeconds: Type.Number(),
      queue: Type.Optional(
        Type.Object(
          { position: Type.Integer(), etaSeconds: nullable(Type.Number()) },
          { description: 'As polls have it.' },
        ),
      ),
      weights: Type.Optional(
        Type.Object(
          { receivedBytes: Type.Integer(), totalBytes: Type.Integer() },
          { description: 'While the model is fetched.' },
        ),
      ),
      fetch: Type.Optional(
        Type.Object(
          { receivedBytes: Type.Integer(), totalBytes: Type.Optional(Type.Integer()) },
          { description: 'While the recording is fetched from where it lies; totalBytes, if its server tells.' },
        ),
      ),
    },
    { description: 'How far it is, in totals; at most four a second, and none is sent again.' },
  ),
  segments: Type.Object(
    { id, ...PassageSchema.properties, text: Type.String({ description: 'Of these segments.' }) },
    {
      description:
        'The text of a finished window, which may be none. What has a lower firstSegment than what came before replaces that, from there on. All of them together are the transcript’s ' +
        'segments, without tokens.',
    },
  ),
} as const

export type StatusData = Static<(typeof STREAM_EVENTS)['status']>
export type ProgressData = Static<(typeof STREAM_EVENTS)['progress']>
export type SegmentsData = Static<(typeof STREAM_EVENTS)['segments']>

/** What is told of a transition; null: the event is none. */
export function statusData({ jobId, at, ...event }: JobEvent, error: Job['error']): StatusData | null {
  const base = { id: jobId, at }
  switch (event.kind) {
    case 'accepted': {
      const { model, serviceTier, audioSeconds } = event.data
      const tier = SERVICE_TIERS.find((one) => one === serviceTier)
      return { ...base, status: 'pending', model, ...(tier && { serviceTier: tier }), audioSeconds }
    }
    case 'claimed': {
      const { attempt, servedTier } = event.data
      const tier = SERVICE_TIERS.find((one) => one === servedTier)
      return { ...base, status: 'processing', attempt, ...(tier && { servedTier: tier }) }
    }
    case 'released':
      return { ...base, status: 'pending', ...event.data }
    case 'deferred':
    case 'retried': {
      const { code, ...later } = event.data
      return { ...base, status: 'pending', waitingFor: { code }, ...later }
    }
    case 'cancel_requested':
      return { ...base, status: 'processing', cancelRequested: true }
    case 'finished': {
      const { status: end, code } = event.data
      return { ...base, status: end, ...(code !== undefined && { error: error ?? { code } }) }
    }
    case 'fetch':
    case 'weights':
    case 'window':
      return null
  }
}

export function segmentsData(jobId: string, { firstSegment, segments }: Passage): SegmentsData {
  return { id: jobId, firstSegment, text: segments.map(({ text }) => text).join(''), segments }
}

/** How far a job is, as its events have told it so far. */
export class Progress {
  readonly #jobId: string
  #data: Omit<ProgressData, 'id'> = { status: 'pending', doneSeconds: 0, audioSeconds: 0 }

  /** @param job as it was when the stream began, perhaps behind some of its events */
  constructor(jobId: string, job?: Job) {
    this.#jobId = jobId
    if (job === undefined) return
    const { status: now, doneSeconds, audioSeconds } = job
    this.#data = { status: now, doneSeconds, audioSeconds }
  }

  get status(): ProgressData['status'] {
    return this.#data.status
  }

  /** Takes an event in. Says whether it tells how far the job is. */
  add(event: JobEvent): boolean {
    const { weights: _weights, fetch: _fetch, ...rest } = this.#data
    if (event.kind === 'window') {
      const { doneSeconds, audioSeconds } = event.data
      this.#data = { ...rest, status: 'processing', doneSeconds, audioSeconds }
      return true
    }
    if (event.kind === 'fetch') {
      this.#data = { ...rest, status: 'processing', fetch: event.data }
      return true
    }
    if (event.kind === 'weights') {
      const { receivedBytes, totalBytes } = event.data
      this.#data = { ...rest, status: 'processing', weights: { receivedBytes, totalBytes } }
      return true
    }
    const told = statusData(event, null)
    // What is fetched is fetched by one run.
    if (told !== null) this.#data = { ...rest, status: told.status }
    if (event.kind === 'accepted') this.#data = { ...this.#data, audioSeconds: event.data.audioSeconds }
    return false
  }

  data(queue?: QueuePosition): ProgressData {
    return { id: this.#jobId, ...this.#data, ...(queue && { queue }) }
  }
}
