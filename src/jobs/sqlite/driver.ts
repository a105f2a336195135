import { setTimeout as delay } from 'node:timers/promises'
import { CompiledQuery, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely'
import type { DatabaseConnection, Dialect, Driver, QueryResult } from 'kysely'
import { JobStoreError } from '../errors.ts'
import { isBusy } from './node-sqlite.ts'
import type { NodeSqlite } from './node-sqlite.ts'

/** How long a write waits for another process's in all. `sotto keys` takes milliseconds; a backup may take seconds. */
const BUSY_LIMIT_MS = 5_000
const FIRST_PAUSE_MS = 5
const MAX_PAUSE_MS = 100

/**
 * Kysely's dialect for one connection of `node:sqlite`. Its driver has the thread wait for another process's lock, and with it every
 * request; here a statement that finds the database locked is tried again a moment later, and what only reads goes on meanwhile.
 */
export function sqliteDialect(database: NodeSqlite): Dialect {
  return {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new SqliteDriver(database),
    createIntrospector: (kysely) => new SqliteIntrospector(kysely),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  }
}

class SqliteDriver implements Driver {
  readonly #database: NodeSqlite
  readonly #mutex = new TransactionMutex()

  constructor(database: NodeSqlite) {
    this.#database = database
  }

  async init(): Promise<void> {}

  /** Statements are synchronous, so users of the one connection need to wait for transactions alone. */
  async acquireConnection(): Promise<Connection> {
    return new Connection(this.#database, this.#mutex)
  }

  async beginTransaction(connection: Connection): Promise<void> {
    await connection.begin()
  }

  async commitTransaction(connection: Connection): Promise<void> {
    await connection.end('commit')
  }

  async rollbackTransaction(connection: Connection): Promise<void> {
    await connection.end('rollback')
  }

  async releaseConnection(): Promise<void> {}

  async destroy(): Promise<void> {
    this.#database.close()
  }
}

/** A mutex: one transaction at a time, whose statements no others come between. */
class TransactionMutex {
  #end: (() => void) | undefined
  /** Of the transaction that is open; undefined: none is. */
  ended: Promise<void> | undefined

  acquire(): void {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.ended = promise
    this.#end = resolve
  }

  release(): void {
    this.ended = undefined
    this.#end?.()
  }
}

class Connection implements DatabaseConnection {
  readonly #database: NodeSqlite
  readonly #mutex: TransactionMutex
  #isInTransaction = false

  constructor(database: NodeSqlite, mutex: TransactionMutex) {
    this.#database = database
    this.#mutex = mutex
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    return await this.#whenNotBusy(() => this.#run<Row>(query))
  }

  /** Takes the lock of a writer at once: all of ours write, and one that began by reading could not wait for it. */
  async begin(): Promise<void> {
    await this.#whenNotBusy(() => {
      this.#run(CompiledQuery.raw('begin immediate'))
      this.#mutex.acquire()
      this.#isInTransaction = true
    })
  }

  async end(how: 'commit' | 'rollback'): Promise<void> {
    if (!this.#isInTransaction) return
    try {
      await this.executeQuery(CompiledQuery.raw(how))
    } catch (error) {
      // A full disk has ended the transaction already; a commit that failed is rolled back by the call that follows.
      if (how === 'commit' || this.#database.isInTransaction) throw error
    } finally {
      if (!this.#database.isInTransaction) {
        this.#isInTransaction = false
        this.#mutex.release()
      }
    }
  }

  streamQuery<Row>(): AsyncIterableIterator<QueryResult<Row>> {
    throw new TypeError('rows are not read one by one here')
  }

  async #whenNotBusy<T>(action: () => T): Promise<T> {
    const endMs = performance.now() + BUSY_LIMIT_MS
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)) {
      // Checked again after each wait, since others wait for the same end.
      while (!this.#isInTransaction && this.#mutex.ended !== undefined) await this.#mutex.ended
      try {
        return action()
      } catch (error) {
        if (!(error instanceof JobStoreError) || !isBusy(error.cause) || performance.now() > endMs) throw error
      }
      await delay(pauseMs)
    }
  }

  #run<Row>({ sql, parameters }: CompiledQuery): QueryResult<Row> {
    const statement = this.#database.prepare(sql)
    if (statement.reader) return { rows: statement.all(parameters) as Row[] }
    const { changes } = statement.run(parameters)
    return { rows: [], numAffectedRows: BigInt(changes) }
  }
}
