import { sql } from 'kysely'
import { Compile } from 'typebox/compile'
import { JOB_EVENT_DATA } from '../../contract/job-event.ts'
import type { JobEvent } from '../../contract/job-event.ts'
import type { Passage } from '../../contract/transcript.ts'
import { passageIn } from '../life/passages.ts'
import type { Database } from '../sql/dialect.ts'
import type { JobSegmentsTable } from '../sql/schema.ts'

/** An event with the text that it tells of. */
export interface ToldEvent {
  readonly event: JobEvent
  /** What a finished window says; null: the event is of something else, or that text was replaced since. */
  readonly passage: Passage | null
}

/** Ordinals of windows, `to` not included. */
interface Range {
  readonly jobId: string
  readonly from: number
  readonly to: number
}

const WINDOW = Compile(JOB_EVENT_DATA.window)

/** Batch size: ranges that are read by one statement. */
const RANGES_PER_STATEMENT = 100

/**
 * Events with their text. One of a window tells what was not told before it: its own window, and those whose events were thinned out.
 * @param told how many windows each job had told before these events; it is taken further with them. A job that is not in it has told all
 *   but the window itself.
 */
export async function withPassages(
  database: Database,
  events: readonly JobEvent[],
  told = new Map<string, number>(),
): Promise<readonly ToldEvent[]> {
  const ranges = events.map((event) => {
    if (event.kind !== 'window') return null
    const { jobId, data } = event
    const before = told.get(jobId) ?? data.windows - 1
    told.set(jobId, data.windows)
    return { jobId, from: Math.min(before, data.windows - 1), to: data.windows }
  })
  const read = await readRanges(
    database,
    ranges.filter((range) => range !== null),
  )
  return events.map((event, index) => ({ event, passage: joined(read.get(ranges[index] ?? null)) }))
}

/** How many windows a job had told with this event and those before it. */
export async function windowsTold({ queries }: Database, jobId: string, sequence: number): Promise<number> {
  const row = await queries
    .selectFrom('job_events')
    .select('data')
    .where('job_id', '=', jobId)
    .where('kind', '=', 'window')
    .where('sequence', '<=', sequence)
    .orderBy('sequence', 'desc')
    .limit(1)
    .executeTakeFirst()
  const data: unknown = row && JSON.parse(row.data)
  return WINDOW.Check(data) ? data.windows : 0
}

async function readRanges(
  { queries, dialect }: Database,
  ranges: readonly Range[],
): Promise<ReadonlyMap<Range | null, readonly Passage[]>> {
  const found = new Map<Range | null, Passage[]>(ranges.map((range) => [range, []]))
  for (let start = 0; start < ranges.length; start += RANGES_PER_STATEMENT) {
    const some = ranges.slice(start, start + RANGES_PER_STATEMENT)
    const given = dialect.rows(
      some.map(({ jobId, from, to }, n) => ({ n, job_id: jobId, from_ordinal: from, to_ordinal: to })),
      { n: 'int4', job_id: 'text', from_ordinal: 'int4', to_ordinal: 'int4' },
    )
    const { rows } = await sql<JobSegmentsTable & { n: number }>`
      select given.n, job_segments.* from ${given} join job_segments on job_segments.job_id = given.job_id
      where job_segments.ordinal >= given.from_ordinal and job_segments.ordinal < given.to_ordinal
      order by given.n, job_segments.ordinal
    `.execute(queries)
    for (const row of rows) found.get(some[row.n] ?? null)?.push(passageIn(row))
  }
  return found
}

function joined(passages: readonly Passage[] | undefined): Passage | null {
  const [first] = passages ?? []
  if (passages === undefined || first === undefined) return null
  return { firstSegment: first.firstSegment, segments: passages.flatMap(({ segments }) => segments) }
}
