import { Cluster } from '../../test/support/cluster.ts'
import { hasPostgres } from '../../test/support/postgres.ts'
import type { ServiceRow } from './measurement.ts'

/** Runs a part with the environment of servers that share a PostgreSQL, which commits to the disk, and an S3; not at all where none is there. */
export async function* withPostgres(
  part: (environment: Readonly<Record<string, string>>) => AsyncGenerator<ServiceRow>,
): AsyncGenerator<ServiceRow> {
  if (!hasPostgres) return
  await using cluster = await Cluster.start({ fsync: true })
  yield* part({ ...cluster.environment, SOTTO_LOG_LEVEL: 'warn' })
}
