import Type from 'typebox'
import type { Static } from 'typebox'

/** When it is claimed again at the earliest, if that is not at once. */
const notBefore = Type.Optional(
  Type.String({ format: 'date-time', description: 'It does not run again before that; absent: it may at once.' }),
)
const why = Type.String({ description: 'A stable code.', examples: ['engine.disk_full'] })

/** What is told of each kind of event: the job as it is after it, in totals, so that whoever missed one lacks nothing. */
export const JOB_EVENT_DATA = {
  accepted: Type.Object({
    model: Type.String({ description: '`publisher/model`.' }),
    serviceTier: Type.String(),
    audioSeconds: Type.Number({ description: 'As the recording’s header says.' }),
  }),
  claimed: Type.Object({
    attempt: Type.Integer({ minimum: 1 }),
    servedTier: Type.String({ description: 'The tier that runs it.' }),
    worker: Type.Optional(Type.String({ description: 'Id of the worker that took it.' })),
  }),
  /** Of a recording that was submitted as somebody else's URL. Then it is given back, to be transcribed. */
  fetch: Type.Object({
    receivedBytes: Type.Integer({ minimum: 0 }),
    totalBytes: Type.Optional(
      Type.Integer({
        minimum: 0,
        description: 'As its server says, if it does; it is there when as many were received.',
      }),
    ),
  }),
  weights: Type.Object({
    receivedBytes: Type.Integer({ minimum: 0 }),
    totalBytes: Type.Integer({ minimum: 0, description: 'They are complete when as many were received.' }),
  }),
  window: Type.Object({
    windows: Type.Integer({
      minimum: 1,
      description:
        'Windows that are finished and kept; what was told of the transcript with the last of them counts like one.',
    }),
    doneSeconds: Type.Number({ description: 'Seconds of audio that have become text.' }),
    audioSeconds: Type.Number({ description: 'Length of the recording.' }),
  }),
  /** Given back by a worker that stops, or moved from the express places to the ordinary ones. */
  released: Type.Object({ notBefore }),
  /** It waits for something that is no fault of its own. */
  deferred: Type.Object({ code: why, notBefore }),
  /** A retryable error, or the end of the process that ran it. */
  retried: Type.Object({ code: why, notBefore }),
  cancel_requested: Type.Object({}),
  finished: Type.Object({
    status: Type.Union([Type.Literal('success'), Type.Literal('failed'), Type.Literal('cancelled')]),
    code: Type.Optional(why),
  }),
} as const

export type JobEventKind = keyof typeof JOB_EVENT_DATA

export const JOB_EVENT_KINDS = Object.keys(JOB_EVENT_DATA) as readonly JobEventKind[]

const eventOf = <Kind extends JobEventKind>(kind: Kind) =>
  Type.Object({
    sequence: Type.Integer({ description: 'Grows from event to event, those of all jobs included.' }),
    jobId: Type.String(),
    at: Type.String({ format: 'date-time' }),
    kind: Type.Literal(kind),
    data: JOB_EVENT_DATA[kind],
  })

/** What happened to a job, written in the commit of what it tells of. */
export const JobEventSchema = Type.Union([
  eventOf('accepted'),
  eventOf('claimed'),
  eventOf('fetch'),
  eventOf('weights'),
  eventOf('window'),
  eventOf('released'),
  eventOf('deferred'),
  eventOf('retried'),
  eventOf('cancel_requested'),
  eventOf('finished'),
])

export type JobEvent = Static<typeof JobEventSchema>

/** How much of a model's weights was fetched for a job. */
export type WeightsFetched = Static<(typeof JOB_EVENT_DATA)['weights']>

/** How much of a recording was fetched from elsewhere. */
export type RecordingFetched = Static<(typeof JOB_EVENT_DATA)['fetch']>
