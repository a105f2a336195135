import { hasPostgres, startPostgres } from '../../test/support/postgres.ts'
import type { ServiceRow } from './measurement.ts'

/** Runs a part with the environment of servers that share a PostgreSQL, which commits to the disk; not at all where none is there. */
export async function* withPostgres(
  part: (environment: Readonly<Record<string, string>>) => AsyncGenerator<ServiceRow>,
): AsyncGenerator<ServiceRow> {
  if (!hasPostgres) return
  await using postgres = await startPostgres()
  yield* part({ DATABASE_URL: await postgres.createDatabase(), SOTTO_LOG_LEVEL: 'warn' })
}
