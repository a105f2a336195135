import { sql } from 'kysely'

/** Seconds since 1970 in steps of a millisecond, the same throughout a statement. */
export const now = sql<number>`unixepoch('subsec')`

/** That moment, `ms` milliseconds later. */
export function fromNow(ms: number): typeof now {
  return sql<number>`unixepoch('subsec') + ${ms / 1000}`
}
