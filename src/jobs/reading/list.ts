import { sql } from 'kysely'
import type { Database } from '../sql/dialect.ts'
import type { Job } from '../job.ts'
import { jobOf } from '../sql/job-row.ts'
import type { JobRow } from '../sql/schema.ts'
import type { JobPage, ListOptions } from '../job-store.ts'
import { directionOf, searchFor } from './candidates.ts'
import type { Range, Search } from './candidates.ts'
import { cursorText, turned } from './cursor.ts'
import type { Cursor } from './cursor.ts'

/** Entries that are looked through where an index can't tell what belongs: slice by slice, each twice as long. */
const SLICES = {
  /** By their rows, each of which is read. */
  rows: { first: 256, last: 4096 },
  /** By what stands in the index. */
  covered: { first: 512, last: 32_768 },
} as const

interface Found {
  readonly jobs: readonly Job[]
  /** Id behind which it goes on; null: there is nothing more. */
  readonly end: string | null
}

/**
 * A page of jobs in the order of their ids, which are UUIDs of version 7 and so in the order of their submits. A page goes on beside an id,
 * be its job there or not.
 *
 * What a page costs is bounded: it ends after the last slice, with fewer jobs than were asked for, perhaps none, and `next` all the same.
 */
export async function list(
  { queries }: Pick<Database, 'queries'>,
  keyId: string | null,
  options: ListOptions,
): Promise<JobPage> {
  const { limit, order = 'newest', cursor } = options
  const isBack = cursor?.direction === 'previous'
  const range: Range = { isDescending: (order === 'newest') !== isBack, from: cursor ?? null }
  const search = searchFor(keyId, options)
  // One more, to know whether there is one.
  const { jobs: found, end } = await look(queries, search, range, limit + 1)
  const jobs = found.slice(0, limit)
  const onward = found.length > limit ? (jobs.at(-1)?.id ?? null) : end
  if (isBack) jobs.reverse()
  const at = (direction: Cursor['direction'], id: string | undefined): Cursor | undefined =>
    id === undefined ? cursor && turned(cursor) : { direction, id, isInclusive: false }
  const next = isBack ? at('next', jobs.at(-1)?.id) : onward === null ? undefined : at('next', onward)
  const previous = isBack
    ? onward === null
      ? undefined
      : at('previous', onward)
    : cursor && at('previous', jobs[0]?.id)
  return {
    jobs,
    next: next === undefined ? null : cursorText(next),
    previous: previous === undefined ? null : cursorText(previous),
  }
}

async function look(queries: Database['queries'], search: Search, range: Range, limit: number): Promise<Found> {
  if (search.remaining === null) return { jobs: await read(queries, search, range, limit, limit), end: null }
  const jobs: Job[] = []
  const { first, last } = search.isCovered ? SLICES.covered : SLICES.rows
  let from = range.from
  for (let slice: number = first; slice <= last; slice *= 2) {
    // First where the slice ends, then all up to there: jobs come and go between the two, and none is to be passed over.
    const { seen, through } = await endOf(queries, search, { ...range, from }, slice)
    if (through === null) return { jobs, end: null }
    jobs.push(...(await read(queries, search, { ...range, from, through }, limit - jobs.length)))
    if (jobs.length >= limit || seen < slice) return { jobs, end: null }
    from = { id: through, isInclusive: false }
  }
  return { jobs, end: from?.id ?? null }
}

async function endOf(
  queries: Database['queries'],
  { candidates }: Search,
  range: Range,
  slice: number,
): Promise<{ readonly seen: number; readonly through: string | null }> {
  const last = range.isDescending ? sql`min(id)` : sql`max(id)`
  const { rows } = await sql<{ seen: number; through: string | null }>`
    select count(*) as seen, ${last} as through from (${candidates(range, slice)}) as seen
  `.execute(queries)
  return rows[0] ?? { seen: 0, through: null }
}

async function read(
  queries: Database['queries'],
  { candidates, remaining }: Search,
  range: Range,
  limit: number,
  slice?: number,
): Promise<readonly Job[]> {
  const { rows } = await sql<JobRow>`
    select jobs.* from (${candidates(range, slice)}) as seen cross join jobs
    where jobs.id = seen.id and ${remaining ?? sql`true`}
    order by jobs.id ${directionOf(range)} limit ${limit}
  `.execute(queries)
  return rows.map(jobOf)
}
