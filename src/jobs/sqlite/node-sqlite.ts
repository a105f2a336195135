import { closeSync, openSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { DatabaseSyncOptions, SQLInputValue, StatementSync } from 'node:sqlite'
import type { SqliteDatabase, SqliteStatement } from 'kysely'
import { JobStoreError } from '../errors.ts'
import type { JobStoreErrorCode } from '../errors.ts'

/**
 * `node:sqlite` in the shape that Kysely's SQLite dialect expects. Statements are kept for the life of the connection:
 * values are always parameters, so there are as many as there are queries in the code.
 */
export class NodeSqlite implements SqliteDatabase {
  readonly #connection: DatabaseSync
  readonly #statements = new Map<string, SqliteStatement>()

  constructor(connection: DatabaseSync) {
    this.#connection = connection
  }

  prepare(sql: string): SqliteStatement {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const statement = new Statement(translated(() => this.#connection.prepare(sql)))
    this.#statements.set(sql, statement)
    return statement
  }

  close(): void {
    this.#statements.clear()
    this.#connection.close()
  }
}

class Statement implements SqliteStatement {
  readonly reader: boolean
  readonly #statement: StatementSync

  constructor(statement: StatementSync) {
    this.#statement = statement
    this.reader = statement.columns().length > 0
  }

  all(parameters: readonly unknown[]): unknown[] {
    return translated(() => this.#statement.all(...parameters.map(inputValue)))
  }

  run(parameters: readonly unknown[]): ReturnType<SqliteStatement['run']> {
    return translated(() => this.#statement.run(...parameters.map(inputValue)))
  }

  iterate(parameters: readonly unknown[]): IterableIterator<unknown> {
    return translated(() => this.#statement.iterate(...parameters.map(inputValue)))
  }
}

function inputValue(value: unknown): SQLInputValue {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint')
    return value
  if (value instanceof Uint8Array) return value
  throw new TypeError(`SQLite has no column type for a value of type ${typeof value}`)
}

/**
 * Opens a SQLite file that only its owner can read; its WAL and shared-memory files inherit the mode. An existing file is
 * never opened by other means than SQLite's: closing it would drop all POSIX locks that this process has on it.
 */
export function openPrivateFile(path: string, options: DatabaseSyncOptions): DatabaseSync {
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
  return new DatabaseSync(path, options)
}

const SQLITE_CANTOPEN = 14

/** SQLite's primary result codes (https://sqlite.org/rescode.html) that say more than "it failed". */
const MEANINGS: Readonly<Record<number, readonly [JobStoreErrorCode, string]>> = {
  5: ['store.unavailable', 'another process keeps it locked'],
  6: ['store.unavailable', 'another process keeps it locked'],
  8: ['store.unavailable', 'it cannot be written; check the permissions of the data folder'],
  10: ['store.unavailable', 'the disk reports an input or output error'],
  11: ['store.damaged', 'the file is damaged; restore it from a backup'],
  13: ['store.unavailable', 'the disk is full; make room on it'],
  [SQLITE_CANTOPEN]: ['store.unavailable', 'it cannot be opened; check the permissions of the data folder'],
  19: ['store.refused', 'a rule of the schema refused the write'],
  26: ['store.damaged', 'the file is not a database; restore it from a backup'],
}

/** Runs a call of `node:sqlite` and gives its errors as `JobStoreError`s, the one place where they are told apart. */
export function translated<T>(call: () => T): T {
  try {
    return call()
  } catch (cause) {
    if (cause instanceof JobStoreError || cause instanceof TypeError) throw cause
    const [code, meaning] = MEANINGS[resultCode(cause) & 0xff] ?? ['store.unavailable', 'it does not answer']
    throw new JobStoreError(code, `The jobs database failed: ${meaning}.`, { cause })
  }
}

/** SQLite's extended result code; 0 when there is none. An error of the file system counts as SQLite's own of that kind. */
export function resultCode(error: unknown): number {
  if (!(error instanceof Error)) return 0
  if ('errcode' in error && typeof error.errcode === 'number') return error.errcode
  return 'syscall' in error ? SQLITE_CANTOPEN : 0
}
