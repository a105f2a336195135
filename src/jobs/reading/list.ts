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
  const { candidates, remaining, isCovered } = search
  if (remaining === null) return { jobs: await read(queries, search, range, limit, limit), end: null }
  const jobs: Job[] = []
  const { first, last: longest } = isCovered ? SLICES.covered : SLICES.rows
  let from = range.from
  for (let slice: number = first; slice <= longest; slice *= 2) {
    const rest = { ...range, from }
    jobs.push(...(await read(queries, search, rest, slice, limit - jobs.length)))
    if (jobs.length >= limit) return { jobs, end: null }
    const last = range.isDescending ? sql`min(id)` : sql`max(id)`
    const { rows } = await sql<{ seen: number; last: string | null }>`
      select count(*) as seen, ${last} as last from (${candidates(rest, slice)}) as seen
    `.execute(queries)
    const [{ seen, last: id } = { seen: 0, last: null }] = rows
    if (seen < slice || id === null) return { jobs, end: null }
    from = { id, isInclusive: false }
  }
  return { jobs, end: from?.id ?? null }
}

async function read(
  queries: Database['queries'],
  { candidates, remaining }: Search,
  range: Range,
  slice: number,
  limit: number,
): Promise<readonly Job[]> {
  const { rows } = await sql<JobRow>`
    select jobs.* from (${candidates(range, slice)}) as seen cross join jobs
    where jobs.id = seen.id and ${remaining ?? sql`true`}
    order by jobs.id ${directionOf(range)} limit ${limit}
  `.execute(queries)
  return rows.map(jobOf)
}
