import { Pool } from 'pg'
import type { PoolClient, PoolConfig, QueryResult } from 'pg'
import type { PostgresCursor, PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely'
import { JobStoreError } from '../errors.ts'
import { endsConnection, storeErrorOf } from './server-errors.ts'

/** How long the end waits for the server's goodbye. */
const GOODBYE_MS = 2_000

export interface StorePoolOptions {
  /** `host:port/database`, for errors. */
  readonly server: string
  /** After so long without an answer, a connection is given up; undefined: never. */
  readonly answerMs: number | undefined
}

/**
 * The driver's pool in the shape that Kysely's dialect expects. All errors are `JobStoreError`s, no error ends the process, and
 * a connection that failed is never lent again.
 */
export class StorePool implements PostgresPool {
  readonly #pool: Pool
  readonly #options: StorePoolOptions
  readonly #clients = new Set<PoolClient>()

  constructor(config: PoolConfig, options: StorePoolOptions) {
    this.#options = options
    this.#pool = new Pool(config)
    // The pool listens to idle connections only, and Kysely to none. Whoever uses the broken one, or the next, is told.
    this.#pool.on('error', () => undefined)
    this.#pool.on('connect', (client) => {
      client.on('error', () => undefined)
      this.#clients.add(client)
    })
    this.#pool.on('remove', (client) => this.#clients.delete(client))
  }

  async connect(): Promise<PostgresPoolClient> {
    try {
      return new StoreClient(await this.#pool.connect(), this.#options)
    } catch (error) {
      throw storeErrorOf(error, this.#options.server)
    }
  }

  /** The driver's end does not wait for the connections, which a silent network would keep, and the process with them. */
  async end(): Promise<void> {
    await this.#pool.end()
    if (this.#clients.size === 0) return
    const { promise: closed, resolve } = Promise.withResolvers<void>()
    this.#pool.on('remove', () => this.#clients.size === 0 && resolve())
    const timer = setTimeout(() => {
      for (const client of this.#clients) client.connection.stream.destroy()
    }, GOODBYE_MS)
    await closed
    clearTimeout(timer)
  }
}

class StoreClient implements PostgresPoolClient {
  readonly #client: PoolClient
  readonly #options: StorePoolOptions
  #broken = false

  constructor(client: PoolClient, options: StorePoolOptions) {
    this.#client = client
    this.#options = options
  }

  query<Row>(cursor: PostgresCursor<Row>): PostgresCursor<Row>
  query<Row>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<Row>>
  query<Row>(
    statement: string | PostgresCursor<Row>,
    parameters: readonly unknown[] = [],
  ): PostgresCursor<Row> | Promise<PostgresQueryResult<Row>> {
    if (typeof statement !== 'string') throw new TypeError('rows are not read by a cursor here')
    return this.#query(statement, parameters)
  }

  release(destroy = false): void {
    this.#client.release(destroy || this.#broken)
  }

  async #query<Row>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<Row>> {
    const { server, answerMs } = this.#options
    // The server's own limit does not help when the network loses its answer; what waits for it would wait for a quarter of
    // an hour, and the driver's limit would leave the connection in use.
    const timer = answerMs && setTimeout(() => this.#client.connection.stream.destroy(unanswered(server)), answerMs)
    try {
      // Kysely's type for the command lists only those whose number of rows it reads.
      const result: QueryResult = await this.#client.query(sql, [...parameters])
      return result as PostgresQueryResult<Row>
    } catch (error) {
      this.#broken ||= endsConnection(error)
      throw storeErrorOf(error, server)
    } finally {
      clearTimeout(timer)
    }
  }
}

function unanswered(server: string): JobStoreError {
  return new JobStoreError(
    'store.unavailable',
    `The jobs database at ${server} failed: it did not answer in time. Check the network, and the load of the server.`,
  )
}
