import { sql } from 'kysely'
import type { RawBuilder, SqlBool } from 'kysely'
import { foldedText } from '../job-labels.ts'
import type { JobFilter } from '../job-store.ts'

/**
 * Ids begin with the time at which a server made them, which is not the database's time of acceptance. As far as the two may be apart, rows
 * are read whose time then says that they do not belong.
 */
const CLOCK_DIFFERENCE_MS = 600_000
const MAX_UUID_MS = 2 ** 48 - 1

/** How the jobs that a filter selects are looked for. */
export interface Search {
  /** The ids of those that come next, so many or all of a range that ends, from an index in its order. */
  readonly candidates: (range: Range, limit?: number) => RawBuilder<unknown>
  /** Which of the candidates, `seen`, and their rows in `jobs`, belong; null: all. */
  readonly remaining: RawBuilder<SqlBool> | null
  /** Whether candidates are refused without a look at their rows. */
  readonly isCovered: boolean
}

/** Where candidates begin and end, and which way they go. */
export interface Range {
  readonly isDescending: boolean
  /** Null: at the end. */
  readonly from: { readonly id: string; readonly isInclusive: boolean } | null
  /** The last that may be among them; absent: any. */
  readonly through?: string
}

type Condition = RawBuilder<SqlBool>

/**
 * The index that leaves the least: a pair of metadata has few jobs, statuses most often as well. Names and models are in the indexes of
 * jobs, so that a search for a part of a name reads no row that it does not find.
 * @param keyId null: of all keys
 */
export function searchFor(keyId: string | null, filter: JobFilter): Search {
  const { statuses = [], metadata = {} } = filter
  const pairs = Object.entries(metadata)
  const [pair, ...otherPairs] = pairs
  const times = timeBounds(filter)
  if (keyId !== null && pair !== undefined) {
    const rest = [...statusIn(statuses), ...labelled(filter, 'jobs'), ...hasPairs(otherPairs), ...times]
    return { candidates: withPair(keyId, pair, filter), remaining: all(rest), isCovered: rest.length === 0 }
  }
  const labels = labelled(filter, 'seen')
  if (keyId !== null && statuses.length > 0) {
    const rest = [...labels, ...times]
    return { candidates: ofStatuses(keyId, statuses, filter), remaining: all(rest), isCovered: times.length === 0 }
  }
  // Written out, since only a constant lets the planner use a partial index.
  const own = keyId === null ? sql<SqlBool>`urgent = 0` : sql<SqlBool>`key_id = ${keyId} and urgent = 0`
  const rest = [...labels, ...statusIn(statuses), ...hasPairs(pairs), ...times]
  return {
    candidates: (range, limit) => ordered(LISTED, [own, ...idsWithin(filter, 'id')], range, limit),
    remaining: all(rest),
    isCovered: keyId !== null && rest.length === labels.length,
  }
}

function withPair(
  keyId: string,
  [name, value]: readonly [name: string, value: string],
  filter: JobFilter,
): Search['candidates'] {
  const own = sql<SqlBool>`key_id = ${keyId} and name = ${name} and value = ${value}`
  return (range, limit) => ordered(PAIRS, [own, ...idsWithin(filter, 'job_id')], range, limit)
}

/** The next of each status, of which the next of all are taken. */
function ofStatuses(keyId: string, statuses: readonly string[], filter: JobFilter): Search['candidates'] {
  return (range, limit) => {
    const each = statuses.map((status) => {
      const own = sql<SqlBool>`key_id = ${keyId} and urgent = 0 and status = ${status}`
      return sql`select * from (${ordered(LISTED, [own, ...idsWithin(filter, 'id')], range, limit)}) as of_one`
    })
    return sql`
      select * from (${sql.join(each, sql` union all `)}) as of_all order by id ${directionOf(range)} ${atMost(limit)}
    `
  }
}

interface Entries {
  readonly table: 'jobs' | 'job_metadata'
  readonly id: 'id' | 'job_id'
  readonly columns: RawBuilder<unknown>
}

const LISTED: Entries = { table: 'jobs', id: 'id', columns: sql`id, model, folded_name` }
const PAIRS: Entries = { table: 'job_metadata', id: 'job_id', columns: sql`job_id as id` }

function ordered(
  { table, id: idColumn, columns }: Entries,
  conditions: readonly Condition[],
  range: Range,
  limit: number | undefined,
): RawBuilder<unknown> {
  const { from, through, isDescending } = range
  const id = sql.ref(idColumn)
  const behind = sql.raw(`${isDescending ? '<' : '>'}${from?.isInclusive === true ? '=' : ''}`)
  const start = from === null ? [] : [sql<SqlBool>`${id} ${behind} ${from.id}`]
  const until = sql.raw(isDescending ? '>=' : '<=')
  const end = through === undefined ? [] : [sql<SqlBool>`${id} ${until} ${through}`]
  return sql`
    select ${columns} from ${sql.table(table)} where ${sql.join([...conditions, ...start, ...end], sql` and `)}
    order by ${id} ${directionOf(range)} ${atMost(limit)}
  `
}

function atMost(limit: number | undefined): RawBuilder<unknown> {
  return limit === undefined ? sql`` : sql`limit ${limit}`
}

export function directionOf({ isDescending }: Range): RawBuilder<unknown> {
  return isDescending ? sql`desc` : sql`asc`
}

function all(conditions: readonly Condition[]): Condition | null {
  return conditions.length === 0 ? null : sql<SqlBool>`${sql.join(conditions, sql` and `)}`
}

function statusIn(statuses: readonly string[]): readonly Condition[] {
  return statuses.length === 0 ? [] : [sql<SqlBool>`jobs.status in (${sql.join(statuses)})`]
}

/** @param table that has them */
function labelled({ models = [], text }: JobFilter, table: 'jobs' | 'seen'): readonly Condition[] {
  const found = text === undefined ? '' : foldedText(text)
  return [
    ...(models.length === 0 ? [] : [sql<SqlBool>`${sql.ref(`${table}.model`)} in (${sql.join(models)})`]),
    ...(text === undefined
      ? []
      : [sql<SqlBool>`${sql.ref(`${table}.folded_name`)} like ${`%${escaped(found)}%`} escape '\\'`]),
  ]
}

function escaped(text: string): string {
  return text.replaceAll(/[%_\\]/g, String.raw`\$&`)
}

function hasPairs(pairs: readonly (readonly [name: string, value: string])[]): readonly Condition[] {
  return pairs.map(
    ([name, value]) => sql<SqlBool>`exists (
      select 1 from job_metadata where job_id = jobs.id and job_metadata.name = ${name} and job_metadata.value = ${value}
    )`,
  )
}

/** Of times as they are shown, in whole milliseconds: PostgreSQL has thousandths of them. */
function timeBounds({ from, to }: JobFilter): readonly Condition[] {
  return [
    ...(from === undefined ? [] : [sql<SqlBool>`jobs.accepted_at >= ${(from.getTime() - 0.5) / 1000}`]),
    ...(to === undefined ? [] : [sql<SqlBool>`jobs.accepted_at < ${(to.getTime() - 0.5) / 1000}`]),
  ]
}

function idsWithin({ from, to }: JobFilter, idColumn: string): readonly Condition[] {
  const id = sql.ref(idColumn)
  return [
    ...(from === undefined ? [] : [sql<SqlBool>`${id} >= ${idAt(from.getTime() - CLOCK_DIFFERENCE_MS)}`]),
    ...(to === undefined ? [] : [sql<SqlBool>`${id} < ${idAt(to.getTime() + CLOCK_DIFFERENCE_MS)}`]),
  ]
}

/** Before all UUIDs of version 7 that were made from then on. */
function idAt(ms: number): string {
  const time = Math.min(Math.max(0, Math.floor(ms)), MAX_UUID_MS)
    .toString(16)
    .padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-0000-0000-000000000000`
}
