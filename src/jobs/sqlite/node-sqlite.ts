import { closeSync, openSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { DatabaseSyncOptions, SQLInputValue, StatementSync } from 'node:sqlite'
import { LRUCache } from 'lru-cache'
import { JobStoreError } from '../errors.ts'
import type { JobStoreErrorCode } from '../errors.ts'

/** As many statements as the code has, and some of those whose text depends on how many values they are given. */
const REMEMBERED = 500

/** A connection of `node:sqlite` whose statements are kept, and whose errors are `JobStoreError`s. */
export class NodeSqlite {
  readonly #connection: DatabaseSync
  readonly #statements = new LRUCache<string, Statement>({ max: REMEMBERED })

  constructor(connection: DatabaseSync) {
    this.#connection = connection
  }

  get isInTransaction(): boolean {
    return this.#connection.isTransaction
  }

  prepare(sql: string): Statement {
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

export class Statement {
  /** Whether it answers with rows. */
  readonly reader: boolean
  readonly #statement: StatementSync

  constructor(statement: StatementSync) {
    this.#statement = statement
    this.reader = statement.columns().length > 0
  }

  all(parameters: readonly unknown[]): unknown[] {
    return translated(() => this.#statement.all(...parameters.map(inputValue)))
  }

  run(parameters: readonly unknown[]): ReturnType<StatementSync['run']> {
    return translated(() => this.#statement.run(...parameters.map(inputValue)))
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

const SQLITE_BUSY = 5
const SQLITE_CANTOPEN = 14

/** SQLite's primary result codes (https://sqlite.org/rescode.html) that say more than "it failed". */
const MEANINGS: Readonly<Record<number, readonly [JobStoreErrorCode, string]>> = {
  [SQLITE_BUSY]: ['store.unavailable', 'another process keeps it locked'],
  7: ['store.unavailable', 'there is not enough memory'],
  6: ['store.unavailable', 'another process keeps it locked'],
  8: ['store.unavailable', 'it cannot be written; check the permissions of the data folder'],
  10: ['store.unavailable', 'the disk reports an input or output error'],
  11: ['store.damaged', 'the file is damaged; restore it from a backup'],
  13: ['store.unavailable', 'the disk is full; make room on it'],
  [SQLITE_CANTOPEN]: ['store.unavailable', 'it cannot be opened; check the permissions of the data folder'],
  19: ['store.refused', 'a rule of the schema refused the write'],
  26: ['store.damaged', 'the file is not a database; restore it from a backup'],
}

/**
 * Runs a call of `node:sqlite` and gives its errors as `JobStoreError`s, the one place where they are told apart. What says no more than that
 * the statement is wrong is a bug of ours, and passed on as it is.
 */
export function translated<T>(call: () => T): T {
  try {
    return call()
  } catch (cause) {
    const known = cause instanceof JobStoreError ? undefined : MEANINGS[resultCode(cause) & 0xff]
    if (known === undefined) throw cause
    const [code, meaning] = known
    throw new JobStoreError(code, `The jobs database failed: ${meaning}.`, { cause })
  }
}

/** SQLite's extended result code; 0 when there is none. An error of the file system counts as SQLite's own of that kind. */
function resultCode(error: unknown): number {
  if (!(error instanceof Error)) return 0
  if ('errcode' in error && typeof error.errcode === 'number') return error.errcode
  return 'syscall' in error ? SQLITE_CANTOPEN : 0
}

/** Whether another process's lock was in the way, so that the same statement may go through a moment later. */
export function isBusy(error: unknown): boolean {
  return resultCode(error) === SQLITE_BUSY
}
