import { POSTGRES } from '../sql/dialect.ts'
import type { Database } from '../sql/dialect.ts'
import { openPostgres } from './connection.ts'
import { migratePostgres } from './migrate.ts'
import { MIGRATIONS } from './migrations.ts'

/**
 * Opens a PostgreSQL database and brings its schema up to date, whoever else does so at the same time. Disposing it closes it.
 * @throws JobStoreError `store.unavailable`, `store.newer_schema`
 */
export async function openPostgresDatabase(
  url: string,
  options: { readonly signal?: AbortSignal } = {},
): Promise<Database> {
  await migratePostgres(url, MIGRATIONS, options)
  const queries = await openPostgres(url, options)
  const version = { version: currentSecond, isVersionExact: false }
  return { queries, dialect: POSTGRES, ...version, [Symbol.asyncDispose]: () => queries.destroy() }
}

function currentSecond(): number {
  return Math.floor(performance.now() / 1000)
}
