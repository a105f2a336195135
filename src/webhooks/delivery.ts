import type { Selectable } from 'kysely'
import Type from 'typebox'
import type { Static } from 'typebox'
import { Compile } from 'typebox/compile'
import type { JobEventKind } from '../contract/job-event.ts'
import { WEBHOOK_EVENT_TYPES } from '../contract/webhook-event.ts'
import type { FindSequence } from '../jobs/events/event-log.ts'
import { dateOf } from '../jobs/sql/job-row.ts'
import type { WebhookDeliveriesTable } from '../jobs/sql/schema.ts'

const maybe = <Schema extends Type.TSchema>(schema: Schema) => Type.Union([schema, Type.Null()])

/** The job as it was when the event happened, as the trigger writes it. Times are seconds since 1970. */
const SnapshotSchema = Type.Object({
  model: Type.String(),
  name: maybe(Type.String()),
  /** A JSON object of strings. */
  metadata: maybe(Type.String()),
  audioSeconds: Type.Number(),
  attempt: Type.Integer(),
  acceptedAt: Type.Number(),
  startedAt: maybe(Type.Number()),
  completedAt: maybe(Type.Number()),
  code: maybe(Type.String()),
  message: maybe(Type.String()),
  /** The trace that the job belongs to. */
  traceparent: Type.Optional(maybe(Type.String())),
})

export type Snapshot = Static<typeof SnapshotSchema>

const SNAPSHOT = Compile(SnapshotSchema)

/** What is to be told of one event, taken by this process alone until its lease runs out. */
export interface TakenDelivery {
  /** The `webhook-id`. */
  readonly id: string
  /** The fence: whoever takes it over gets another one. */
  readonly token: string
  readonly keyId: string
  readonly jobId: string
  readonly type: string
  readonly at: Date
  /** Null: what is stored of it is damaged. */
  readonly snapshot: Snapshot | null
  readonly endpoint: string
  readonly queue: string
  /** Of the event that it tells of, as the ids of live events; null: that went with its job. */
  readonly sequence: number | null
  /** Failed attempts before this one. */
  readonly tries: number
}

export function takenDelivery(
  row: Selectable<WebhookDeliveriesTable>,
  token: string,
  sequences: FindSequence,
): TakenDelivery {
  const { id, key_id: keyId, job_id: jobId, type, at, data, queue, endpoint, tries } = row
  const snapshot = snapshotOf(data)
  const attempt = snapshot === null ? {} : { attempt: snapshot.attempt }
  const sequence = sequences({ jobId, kind: kindOf(type), ...attempt })
  return { id, token, keyId, jobId, type, at: dateOf(at), snapshot, endpoint, queue, sequence, tries }
}

/** The event of the job's history that a type of webhooks tells of. */
function kindOf(type: string): JobEventKind {
  if (type === 'job.accepted') return 'accepted'
  return type === 'job.processing' ? 'claimed' : 'finished'
}

function snapshotOf(data: string): Snapshot | null {
  const members: unknown = JSON.parse(data)
  return SNAPSHOT.Check(members) ? members : null
}

/** In the order in which things happen to a job. */
export function byTime(
  one: { readonly at: Date; readonly type: string },
  other: { readonly at: Date; readonly type: string },
): number {
  return one.at.getTime() - other.at.getTime() || rankOf(one.type) - rankOf(other.type)
}

function rankOf(type: string): number {
  return WEBHOOK_EVENT_TYPES.findIndex((known) => known === type)
}
