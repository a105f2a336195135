import { sql } from 'kysely'
import type { Kysely, RawBuilder } from 'kysely'
import type { Schema } from './schema.ts'

/** Where the databases' SQL differs. */
export interface Dialect {
  readonly name: 'sqlite' | 'postgres'
  /** Seconds since 1970 by the database's clock, the same throughout a statement. */
  readonly now: RawBuilder<number>
  /** Ends a subselect that picks jobs for a write: other writers' picks are passed over. SQLite has one writer at a time. */
  readonly skipLocked: RawBuilder<unknown>
  /** A JSON array of objects as a table, in its order; a column for each name, of the type that is given for PostgreSQL. */
  readonly rows: (json: string, columns: Readonly<Record<string, 'text' | 'float8' | 'int4'>>) => RawBuilder<unknown>
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
}

export const SQLITE: Dialect = {
  name: 'sqlite',
  now: sql<number>`unixepoch('subsec')`,
  skipLocked: sql``,
  rows: (json, columns) => {
    const selected = Object.keys(columns).map((name) => sql`value ->> ${sql.lit(`$.${name}`)} as ${sql.ref(name)}`)
    // `key` keeps the order; the limit keeps SQLite from merging this select into another, where it would be lost.
    return sql`(select ${sql.join(selected)} from json_each(${json}) order by key limit -1) as given`
  },
}

export const POSTGRES: Dialect = {
  name: 'postgres',
  now: sql<number>`extract(epoch from statement_timestamp())::float8`,
  skipLocked: sql`for update of jobs skip locked`,
  rows: (json, columns) => {
    const typed = Object.entries(columns).map(([name, type]) => sql`${sql.ref(name)} ${sql.raw(type)}`)
    return sql`json_to_recordset(${json}::json) as given(${sql.join(typed)})`
  },
}

/** The database's time, `ms` milliseconds later. */
export function fromNow({ now }: Dialect, ms: number): RawBuilder<number> {
  return sql<number>`${now} + ${ms / 1000}`
}
