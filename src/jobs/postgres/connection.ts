import { Kysely, PostgresDialect, sql } from 'kysely'
import { Client, TypeOverrides } from 'pg'
import type { ClientConfig } from 'pg'
import { JobStoreError } from '../errors.ts'
import type { Schema } from '../sql/schema.ts'
import { codeOf } from './server-errors.ts'
import { StorePool } from './store-pool.ts'

export interface PostgresOptions {
  readonly signal?: AbortSignal
  /** Connections at most. Default: 10. */
  readonly poolSize?: number
  /** How long a statement may take; null: as long as it likes. Default: 10 s. */
  readonly statementMs?: number | null
}

/** How long a new connection may take, and the wait for one that is free. */
const CONNECT_MS = 5_000
/** A process that froze within a transaction keeps its rows from everybody else no longer than this. */
const IDLE_IN_TRANSACTION_MS = 30_000
/** What the server may take longer to answer than the statement may, before the connection is given up. */
const NETWORK_MS = 2_000
/** Connections are renewed now and then, for they stick to what a name meant when they were made. */
const LIFETIME_SECONDS = 1_800

/**
 * Opens a PostgreSQL database by its URL, without touching its schema. A broken connection is an error of the statement that
 * used it; the next one gets a new connection, so the database may come and go. Disposing it closes it.
 *
 * No session keeps a state, be it a setting or a lock, so that a proxy which lends a connection for each transaction may stand
 * between. Rejected for that reason: named statements, which spare the server the planning (8,500 heartbeats/s instead of
 * 6,000 on two busy cores).
 *
 * @throws JobStoreError `store.unavailable`, also when the database refuses this user
 */
export async function openPostgres(url: string, options: PostgresOptions = {}): Promise<Kysely<Schema>> {
  const { poolSize = 10, statementMs = 10_000, signal } = options
  const config = {
    ...clientConfig(url),
    max: poolSize,
    idleTimeoutMillis: 30_000,
    maxLifetimeSeconds: LIFETIME_SECONDS,
  }
  const pool = { server: serverOf(config), answerMs: statementMs === null ? undefined : statementMs + NETWORK_MS }
  const timeouts = {
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    ...(statementMs === null ? {} : { statement_timeout: statementMs }),
  }
  try {
    return await connected(new StorePool({ ...config, ...timeouts }, pool), signal)
  } catch (error) {
    // PgBouncer takes no settings that it does not know.
    if (!(error instanceof Error) || codeOf(error.cause) !== PROTOCOL_VIOLATION) throw error
    return await connected(new StorePool(config, pool), signal)
  }
}

const PROTOCOL_VIOLATION = '08P01'

async function connected(pool: StorePool, signal: AbortSignal | undefined): Promise<Kysely<Schema>> {
  signal?.throwIfAborted()
  const database = new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) })
  const aborted = Promise.withResolvers<never>()
  const abort = () => aborted.reject(signal?.reason)
  signal?.addEventListener('abort', abort)
  try {
    // Kysely closes only what it has used.
    await Promise.race([sql`select 1`.execute(database), aborted.promise])
    return database
  } catch (error) {
    // A connection that is being made ends in its own time, which nobody needs to wait for.
    void database.destroy().catch(() => undefined)
    throw error
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

/** int8, float4, float8 and numeric: all that the schema has is exact as a number. */
const NUMBER_TYPES = [20, 700, 701, 1700]

/** What every connection has in common. */
export function clientConfig(url: string): ClientConfig {
  const types = new TypeOverrides()
  for (const type of NUMBER_TYPES) types.setTypeParser(type, Number)
  // What `sslmode` means everywhere else; without this, the driver takes `require` for `verify-full`.
  const compatible = /[?&]sslmode=/.test(url) && !url.includes('uselibpqcompat=') ? '&uselibpqcompat=true' : ''
  return {
    connectionString: url + compatible,
    application_name: 'sotto',
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types,
  }
}

/**
 * `host:port/database`, without the user and the password.
 *
 * @throws JobStoreError when the URL is none
 */
export function serverOf(config: ClientConfig): string {
  let client: Client
  try {
    client = new Client(config)
  } catch (cause) {
    // A file that it names cannot be read, or its parameters do not go together.
    if (cause instanceof Error && !(cause instanceof TypeError)) {
      throw new JobStoreError('store.unavailable', `DATABASE_URL cannot be used: ${cause.message}`, { cause })
    }
    // Without its cause, which holds the URL and so the password.
    throw new JobStoreError(
      'store.unavailable',
      'DATABASE_URL is not the URL of a PostgreSQL database. Write postgres://user:password@host:5432/database, and % and ' +
        'two hexadecimal digits for special characters in the password.',
    )
  }
  return `${client.host}:${client.port}/${client.database ?? ''}`
}
