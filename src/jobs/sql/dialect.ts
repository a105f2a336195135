import { sql } from 'kysely'
import type { Kysely, RawBuilder, SqlBool } from 'kysely'
import type { Schema } from './schema.ts'

/** Where the databases' SQL differs. */
export interface Dialect {
  readonly name: 'sqlite' | 'postgres'
  /** Seconds since 1970 by the database's clock, the same throughout a statement. */
  readonly now: RawBuilder<number>
  /** Whether a number that a row takes when it is inserted grows from commit to commit: there is one writer at a time. */
  readonly commitsInOrder: boolean
  /** Ends a subselect that picks jobs for a write: other writers' picks are passed over. SQLite has one writer at a time. */
  readonly skipLocked: RawBuilder<unknown>
  /** The same, but waits for them. */
  readonly lockRows: RawBuilder<unknown>
  /** An advisory lock (mutex) of claims, held until the transaction ends. SQLite serialises transactions anyway. */
  readonly lockClaims: RawBuilder<unknown> | null
  /** After a table: joins to each of its rows the jobs of a subselect that may name it. `which` is what follows its `where`. */
  readonly joinJobs: (which: RawBuilder<unknown>) => RawBuilder<unknown>
  /** As `skipLocked`, for garbage. */
  readonly skipLockedGarbage: RawBuilder<unknown>
  /** The same for deliveries. */
  readonly skipLockedDeliveries: RawBuilder<unknown>
  /** The same, for usage. */
  readonly skipLockedUsage: RawBuilder<unknown>
  /** Whether no submit with the payload is under way; none can be until the transaction ends. */
  readonly locksPayload: (column: string) => RawBuilder<SqlBool>
  /** Objects as a table `given`, in their order: a column for each name, of the type that is given for PostgreSQL. */
  readonly rows: <Name extends string>(
    objects: readonly Readonly<Record<NoInfer<Name>, string | number | null>>[],
    columns: Readonly<Record<Name, 'text' | 'float8' | 'int4'>>,
  ) => RawBuilder<unknown>
}

/** A database that is open: disposing it closes it. */
export interface Database extends AsyncDisposable {
  readonly queries: Kysely<Schema>
  readonly dialect: Dialect
  /**
   * Another number when another process may have changed something since: what was read stays valid as long as it is the same. SQLite
   * tells exactly; where that would take a round trip, it is another one each second.
   */
  readonly version: () => number
  readonly isVersionExact: boolean
}

export const SQLITE: Dialect = {
  name: 'sqlite',
  now: sql<number>`unixepoch('subsec')`,
  skipLocked: sql``,
  lockRows: sql``,
  lockClaims: null,
  // Has no lateral joins. The order of a cross join is kept, so the subselect is run for each row before it.
  joinJobs: (which) => sql`cross join jobs on jobs.sequence in (select jobs.sequence from jobs where ${which})`,
  commitsInOrder: true,
  skipLockedGarbage: sql``,
  skipLockedDeliveries: sql``,
  skipLockedUsage: sql``,
  locksPayload: () => sql<SqlBool>`true`,
  // As parameters: taken out of one JSON text, a row takes twice as long.
  rows: (objects, columns) => {
    const names = namesOf(columns)
    const values = objects.map((object) => sql`(${sql.join(names.map((name) => object[name]))})`)
    return sql`(
      with given(${sql.join(names.map((name) => sql.ref(name)))}) as (values ${sql.join(values)}) select * from given
    ) as given`
  },
}

/** Any number that other users of the same database are unlikely to have taken: "claim" in ASCII. */
const CLAIMS = 0x63_6c_61_69_6d

export const POSTGRES: Dialect = {
  name: 'postgres',
  now: sql<number>`extract(epoch from statement_timestamp())::float8`,
  skipLocked: sql`for update of jobs skip locked`,
  lockRows: sql`for update of jobs`,
  lockClaims: sql`select pg_advisory_xact_lock(${sql.lit(CLAIMS)})`,
  joinJobs: (which) => sql`cross join lateral (select jobs.* from jobs where ${which}) as jobs`,
  commitsInOrder: false,
  skipLockedGarbage: sql`for update of garbage skip locked`,
  skipLockedDeliveries: sql`for update of webhook_deliveries skip locked`,
  skipLockedUsage: sql`for update skip locked`,
  locksPayload: (column) => sql<SqlBool>`pg_try_advisory_xact_lock(hashtextextended(${sql.ref(column)}, 0))`,
  // As one JSON text, so that the statement's does not depend on how many there are.
  rows: (objects, columns) => {
    const typed = namesOf(columns).map((name) => sql`${sql.ref(name)} ${sql.raw(columns[name])}`)
    return sql`json_to_recordset(${JSON.stringify(objects)}::json) as given(${sql.join(typed)})`
  },
}

function namesOf<Name extends string>(columns: Readonly<Record<Name, unknown>>): readonly Name[] {
  return Object.keys(columns) as Name[]
}

/** The database's time, `ms` milliseconds later. */
export function fromNow({ now }: Dialect, ms: number): RawBuilder<number> {
  return sql<number>`${now} + ${ms / 1000}`
}
