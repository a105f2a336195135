import Type from 'typebox'
import { Compile } from 'typebox/compile'
import { sql } from 'kysely'
import type { Selectable } from 'kysely'
import { JOB_EVENT_KINDS, JobEventSchema } from '../../contract/job-event.ts'
import type { JobEvent, JobEventKind } from '../../contract/job-event.ts'
import type { Database } from '../sql/dialect.ts'
import { JobStoreError } from '../errors.ts'
import { numberEvents } from './event-order.ts'
import { dateOf } from '../sql/job-row.ts'
import type { JobEventsTable } from '../sql/schema.ts'

/** Whose events are read: one job's, or those of all jobs of a key. */
export type EventsOf = { readonly jobId: string } | { readonly keyId: string }

/** In their order, those of these kinds behind `after`; a newer version's kinds are passed over. */
export async function readEvents(
  database: Database,
  of: EventsOf,
  after: number,
  limit: number,
  kinds: readonly JobEventKind[] = JOB_EVENT_KINDS,
): Promise<readonly JobEvent[]> {
  await numberEvents(database)
  const events = database.queries.selectFrom('job_events').selectAll()
  const own = 'jobId' in of ? events.where('job_id', '=', of.jobId) : events.where('key_id', '=', of.keyId)
  const rows = await own
    .where('sequence', '>', after)
    .where('kind', 'in', kinds)
    .orderBy('sequence')
    .limit(limit)
    .execute()
  return rows.map(eventOf)
}

/** Batch size: keys that are asked for by one statement, whose parts SQLite limits to 500. */
const KEYS_PER_STATEMENT = 50

/** The same of several keys, each behind an event of its own; of each at most `limit`. */
export async function readEventsOfKeys(
  database: Database,
  cursors: readonly { readonly keyId: string; readonly after: number }[],
  limit: number,
): Promise<ReadonlyMap<string, readonly JobEvent[]>> {
  await numberEvents(database)
  const events: (readonly [keyId: string, event: JobEvent])[] = []
  for (let start = 0; start < cursors.length; start += KEYS_PER_STATEMENT) {
    // Each by its own range of the index, which a join would leave to the planner's guess.
    const parts = cursors.slice(start, start + KEYS_PER_STATEMENT).map(
      ({ keyId, after }) => sql`
        select * from (
          select sequence, job_id, key_id, kind, data, at from job_events
          where key_id = ${keyId} and sequence > ${after} and kind in (${sql.join(JOB_EVENT_KINDS)})
          order by sequence limit ${limit}
        ) as own
      `,
    )
    const { rows } = await sql<Selectable<JobEventsTable>>`${sql.join(parts, sql` union all `)}`.execute(
      database.queries,
    )
    for (const row of rows) events.push([row.key_id, eventOf(row)])
  }
  const byKey = Map.groupBy(events, ([keyId]) => keyId)
  return new Map([...byKey].map(([keyId, own]) => [keyId, inOrder(own.map(([, event]) => event))]))
}

function inOrder(events: readonly JobEvent[]): readonly JobEvent[] {
  return events.toSorted((one, other) => one.sequence - other.sequence)
}

/** Which of a job's events one is: of a kind that a job has one of for each attempt, that attempt's. */
export interface EventOfJob {
  readonly jobId: string
  readonly kind: JobEventKind
  readonly attempt?: number
}

/** Finds the `sequence` of an event; null when it went with its job. */
export type FindSequence = (event: EventOfJob) => number | null

/** The transitions of these jobs, to be found by what they are. */
export async function sequencesOf(database: Database, jobIds: readonly string[]): Promise<FindSequence> {
  if (jobIds.length === 0) return () => null
  await numberEvents(database)
  const rows = await database.queries
    .selectFrom('job_events')
    .select(['job_id', 'kind', 'sequence', 'data'])
    .where('job_id', 'in', [...new Set(jobIds)])
    .where('kind', 'in', TRANSITIONS)
    .execute()
  const nameOf = ({ jobId, kind, attempt }: EventOfJob): string =>
    kind === 'claimed' ? `${jobId} ${kind} ${attempt}` : `${jobId} ${kind}`
  const sequences = new Map(
    rows.map(({ job_id: jobId, kind, sequence, data }) => {
      const attempt = kind === 'claimed' ? ` ${String(membersOf(data, 0)['attempt'])}` : ''
      return [`${jobId} ${kind}${attempt}`, sequence]
    }),
  )
  return (event) => sequences.get(nameOf(event)) ?? null
}

const TRANSITIONS = ['accepted', 'claimed', 'finished'] as const satisfies readonly JobEventKind[]

const EVENT = Compile(JobEventSchema)
const MEMBERS = Compile(Type.Record(Type.String(), Type.Unknown()))

function eventOf({ sequence, job_id: jobId, kind, data, at }: Selectable<JobEventsTable>): JobEvent {
  const event = { sequence, jobId, at: dateOf(at).toISOString(), kind, data: membersOf(data, at) }
  if (EVENT.Check(event)) return event
  throw new JobStoreError(
    'store.damaged',
    `Event ${sequence} of job ${jobId} is damaged: restore the database from a backup.`,
  )
}

/** Without those that are null. Times are seconds in the database. */
function membersOf(data: string, at: number): Readonly<Record<string, unknown>> {
  const members: unknown = JSON.parse(data)
  if (!MEMBERS.Check(members)) return {}
  const { notBefore, ...others } = members
  const isLater = typeof notBefore === 'number' && notBefore > at
  const told = Object.entries(others).filter(([, value]) => value !== null)
  return { ...Object.fromEntries(told), ...(isLater ? { notBefore: dateOf(notBefore).toISOString() } : {}) }
}
