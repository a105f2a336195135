import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import { JobStoreError } from '../errors.ts'
import type { Schema } from '../sql/schema.ts'
import { openPostgres } from './connection.ts'

/** A step of the schema's history. One that was released is never edited. */
export interface Migration {
  /** 1, 2, 3, …, in the order of the list. */
  readonly version: number
  /**
   * The oldest program, by the number of migrations that it knows, which works with the schema after this step: it may go on
   * running beside newer ones, and start.
   */
  readonly compatibleFrom: number
  /** Statements without parameters, none of which may refuse to run in a transaction. */
  readonly sql: string
}

/** Any number that other users of the same database are unlikely to have taken: "sotto" in ASCII. */
const LOCK = 0x73_6f_74_74_6f

/**
 * Brings the schema up to date in one transaction, so that a step that fails leaves nothing of any. Any number of servers
 * may do so at once: they wait for each other. Its connections are its own, since a step may take longer than any
 * statement of the store.
 *
 * @returns the versions that it applied
 * @throws JobStoreError `store.newer_schema` when a newer program has made the schema unfit for this one; `store.unavailable`
 */
export async function migratePostgres(
  url: string,
  migrations: readonly Migration[],
  options: { readonly signal?: AbortSignal } = {},
): Promise<readonly number[]> {
  checkOrder(migrations)
  const { signal } = options
  await using database = await openPostgres(url, { ...options, poolSize: 2, statementMs: null })
  try {
    return await database.transaction().execute(async (transaction) => {
      using _ = await endedBy(signal, transaction, database)
      await sql`set local statement_timeout = 0`.execute(transaction)
      await sql`select pg_advisory_xact_lock(${LOCK}::bigint)`.execute(transaction)
      return await applyMissing(transaction, migrations)
    })
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
}

/**
 * Has the server end the transaction by way of another connection: it does not notice in the middle of a statement that the one
 * which waits for it is gone, and would keep the lock and go on.
 */
async function endedBy(
  signal: AbortSignal | undefined,
  transaction: Kysely<Schema>,
  database: Kysely<Schema>,
): Promise<Disposable> {
  const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(transaction)
  const end = () => void sql`select pg_terminate_backend(${rows[0]?.pid})`.execute(database).catch(() => undefined)
  signal?.addEventListener('abort', end)
  signal?.throwIfAborted()
  return { [Symbol.dispose]: () => signal?.removeEventListener('abort', end) }
}

async function applyMissing(transaction: Kysely<Schema>, migrations: readonly Migration[]): Promise<readonly number[]> {
  const { version, compatibleFrom } = await stateOf(transaction)
  const known = migrations.length
  if (compatibleFrom > known) {
    throw new JobStoreError(
      'store.newer_schema',
      `The jobs database has schema version ${version}, which programs that know ${compatibleFrom} or more can use; this ` +
        `version of Sotto knows ${known}. Start a newer version, or choose another database.`,
    )
  }
  const missing = migrations.filter((step) => step.version > version)
  for (const step of missing) {
    await sql.raw(step.sql).execute(transaction)
    await sql`
      insert into schema_migrations (version, compatible_from) values (${step.version}, ${step.compatibleFrom})
    `.execute(transaction)
  }
  return missing.map((step) => step.version)
}

interface State {
  readonly version: number
  readonly compatibleFrom: number
}

/** Looks first, since `create table if not exists` asks for the right to create tables also where there is nothing to create. */
async function stateOf(transaction: Kysely<Schema>): Promise<State> {
  const exists = await sql<{ found: boolean }>`select to_regclass('schema_migrations') is not null as found`.execute(
    transaction,
  )
  if (exists.rows[0]?.found !== true) {
    await sql`
      create table schema_migrations (
        version int primary key,
        compatible_from int not null,
        applied_at timestamptz not null default now()
      )
    `.execute(transaction)
  }
  const { rows } = await sql<State>`
    select coalesce(max(version), 0) as version, coalesce(max(compatible_from), 0) as "compatibleFrom"
    from schema_migrations
  `.execute(transaction)
  return rows[0] ?? { version: 0, compatibleFrom: 0 }
}

function checkOrder(migrations: readonly Migration[]): void {
  for (const [index, { version, compatibleFrom }] of migrations.entries()) {
    if (version !== index + 1 || compatibleFrom > version) {
      throw new RangeError(`migration ${version} is not in its place, or not fit for the program that brings it`)
    }
  }
}
