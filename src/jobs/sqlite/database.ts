import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { Kysely, sql } from 'kysely'
import { SQLITE } from '../sql/dialect.ts'
import type { Database } from '../sql/dialect.ts'
import { JobStoreError } from '../errors.ts'
import type { Schema } from '../sql/schema.ts'
import { sqliteDialect } from './driver.ts'
import { MIGRATIONS } from './migrations.ts'
import { NodeSqlite, openPrivateFile, translated } from './node-sqlite.ts'

/** How long the start waits for another process's write. */
const OPEN_TIMEOUT_MS = 5_000
/** Then no statement waits on the thread, where many that do hold it up together: they wait by the side, as `driver.ts` says. */
const BUSY_TIMEOUT_MS = 0

/**
 * Opens the database of a data folder, which must exist, and brings its schema up to date. Several processes may have it
 * open; the jobs are the business of the one that holds `lockOwner`. Disposing it closes it.
 *
 * With WAL and `synchronous=FULL` each commit is on disk when it returns; `fullfsync` makes that true on macOS too, where
 * a plain fsync stops at the drive's cache.
 *
 * @throws JobStoreError `store.unavailable`, `store.damaged`, `store.newer_schema`
 */
export async function openSqlite(folder: string): Promise<Database> {
  const connection = translated(() => openConnection(join(folder, 'sotto.db')))
  try {
    translated(() => migrate(connection))
    connection.exec(`pragma busy_timeout = ${BUSY_TIMEOUT_MS}`)
    const queries = new Kysely<Schema>({ dialect: sqliteDialect(new NodeSqlite(connection)) })
    // Kysely closes only what it has used.
    await sql`select 1`.execute(queries)
    const changes = connection.prepare('pragma data_version')
    const version = oncePerTurn(() => translated(() => Number(changes.get()?.['data_version'])))
    return { queries, dialect: SQLITE, version, isVersionExact: true, [Symbol.asyncDispose]: () => queries.destroy() }
  } catch (error) {
    connection.close()
    throw error
  }
}

/** Requests that are read in one turn of the event loop share one look. */
function oncePerTurn(look: () => number): () => number {
  let seen: number | undefined
  return () => {
    if (seen === undefined) {
      seen = look()
      setImmediate(() => (seen = undefined))
    }
    return seen
  }
}

function openConnection(path: string): DatabaseSync {
  const connection = openPrivateFile(path, { timeout: OPEN_TIMEOUT_MS, enableForeignKeyConstraints: true })
  try {
    connection.exec(`
      pragma journal_mode = wal;
      pragma synchronous = full;
      pragma fullfsync = on;
      pragma checkpoint_fullfsync = on;
    `)
    return connection
  } catch (error) {
    connection.close()
    throw error
  }
}

/**
 * Kysely's migrator is not used here: on SQLite it neither wraps a migration in a transaction nor keeps two processes from
 * migrating at once, which one `begin immediate` does.
 */
function migrate(connection: DatabaseSync): void {
  if (schemaVersion(connection) === MIGRATIONS.length) return
  connection.exec('begin immediate')
  try {
    const version = schemaVersion(connection)
    if (version > MIGRATIONS.length) {
      throw new JobStoreError(
        'store.newer_schema',
        `The database in the data folder has schema version ${version}; this version of Sotto knows ${MIGRATIONS.length}. ` +
          'Start the newer version that wrote it, or choose another data folder.',
      )
    }
    for (const step of MIGRATIONS.slice(version)) connection.exec(step)
    connection.exec(`pragma user_version = ${MIGRATIONS.length}`)
    connection.exec('commit')
  } catch (error) {
    if (connection.isTransaction) connection.exec('rollback')
    throw error
  }
}

function schemaVersion(connection: DatabaseSync): number {
  return Number(connection.prepare('pragma user_version').get()?.['user_version'])
}
