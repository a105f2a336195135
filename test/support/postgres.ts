import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { freePort } from './free-port.ts'
import { GuardedFolder } from './guarded-folder.ts'
import { childrenOf, isAlive, killIfThere } from './process-tree.ts'
import { identity, layOutBinaries, own } from './postgres-binaries.ts'
import type { Identity } from './postgres-binaries.ts'

export { NEEDS_POSTGRES, hasPostgres } from './postgres-binaries.ts'

export interface PostgresOptions {
  /** Whether commits reach the disk, as in production; false is faster and survives `kill` all the same. Default: true. */
  readonly fsync?: boolean
  /** Default: 200. */
  readonly maxConnections?: number
  /** Any of PostgreSQL's settings by their names. */
  readonly settings?: Readonly<Record<string, string>>
}

/** Starts a PostgreSQL of its own, which takes about a second; resolves when it takes connections. Disposing it removes it. */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  return await Postgres.start(options)
}

/** How long a start may take; recovery after a kill is a part of it. */
const START_MS = 60_000
const ADMINISTRATOR = 'postgres'
/** Owns the databases that tests get: one without any rights beyond them, as in production. */
const OWNER = 'sotto'

export class Postgres implements AsyncDisposable {
  readonly #folder: GuardedFolder
  readonly #user: Identity
  readonly #settings: Readonly<Record<string, string>>
  readonly #password = randomBytes(12).toString('hex')
  #port = 0
  #databases = 0
  #server: ChildProcess | undefined

  private constructor(folder: GuardedFolder, user: Identity, settings: Readonly<Record<string, string>>) {
    this.#folder = folder
    this.#user = user
    this.#settings = settings
  }

  static async start(options: PostgresOptions): Promise<Postgres> {
    const user = identity()
    const postgres = new Postgres(await GuardedFolder.make(user), user, settingsOf(options))
    try {
      await layOutBinaries(postgres.#folder.path, user)
      await postgres.#initialise()
      await postgres.#startSomewhere()
      await postgres.#administer(`create role ${OWNER} login password '${postgres.#password}'`)
      return postgres
    } catch (error) {
      await postgres[Symbol.asyncDispose]()
      throw error
    }
  }

  /** The administrator's, of the database `postgres`. */
  get url(): string {
    return this.#url(ADMINISTRATOR, 'postgres')
  }

  /** With its data and its log; gone when it is disposed. */
  get folder(): string {
    return this.#folder.path
  }

  get port(): number {
    return this.#port
  }

  /** Process id of the postmaster. */
  get pid(): number {
    if (this.#server?.pid === undefined) throw new Error('PostgreSQL does not run')
    return this.#server.pid
  }

  /** An empty database, and the URL of the user that owns it and has no other rights. */
  async createDatabase(): Promise<string> {
    this.#databases += 1
    const name = `sotto_${this.#databases}`
    await this.#administer(`create database ${name} owner ${OWNER}`)
    return this.#url(OWNER, name)
  }

  /** SIGKILL for each of its processes, which are gone when it resolves; as when the machine loses its power. */
  async kill(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    // Stopped first, so that it neither starts a process meanwhile nor deals with the end of one.
    process.kill(this.pid, 'SIGSTOP')
    // Where they cannot be listed, they end by themselves when they notice that their parent has.
    const children = await childrenOf(this.pid)
    for (const child of children) killIfThere(child)
    await this.#end('SIGKILL')
    while ((await Promise.all(children.map(isAlive))).includes(true)) await setTimeout(5)
  }

  /** Starts it again after `kill`, or kills it first; same port, same data, recovered. */
  async restart(): Promise<void> {
    await this.kill()
    await this.#startServer()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end('SIGQUIT')
    await this.#folder[Symbol.asyncDispose]()
  }

  async #initialise(): Promise<void> {
    const { path } = this.#folder
    const secret = join(path, 'password')
    await writeFile(secret, this.#password, { mode: 0o600 })
    await own(secret, this.#user)
    const flags = ['--no-sync', '--no-instructions', '--no-locale', '--encoding=UTF8', '--auth=scram-sha-256']
    const where = ['-D', join(path, 'data'), '-U', ADMINISTRATOR, `--pwfile=${secret}`]
    await promisify(execFile)(join(path, 'bin/initdb'), [...flags, ...where], { cwd: path, ...this.#user })
  }

  /** On a port that may be taken between the look and the start, so more than once. */
  async #startSomewhere(): Promise<void> {
    for (let tries = 1; ; tries++) {
      this.#port = await freePort()
      try {
        return await this.#startServer()
      } catch (error) {
        if (tries === 5) throw error
      }
    }
  }

  async #startServer(): Promise<void> {
    const { path } = this.#folder
    const settings = Object.entries({ ...this.#settings, port: String(this.#port) })
    const log = openSync(join(path, 'log'), 'a')
    const server = spawn(
      join(path, 'bin/postgres'),
      ['-D', join(path, 'data'), ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      { cwd: path, detached: true, stdio: ['ignore', log, log], ...this.#user },
    )
    closeSync(log)
    server.unref()
    this.#server = server
    this.#folder.watch(server.pid)
    const deadline = Date.now() + START_MS
    for (;;) {
      const error = await this.#administer('select 1').then(() => undefined, toError)
      if (error === undefined) return
      if (server.exitCode === null && server.signalCode === null && Date.now() < deadline) {
        await setTimeout(10)
        continue
      }
      await this.#end('SIGQUIT')
      throw new Error(`PostgreSQL does not start:\n${await readFile(join(path, 'log'), 'utf8')}`, { cause: error })
    }
  }

  async #end(signal: 'SIGQUIT' | 'SIGKILL'): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    if (server.exitCode === null && server.signalCode === null) {
      server.ref()
      const exited = once(server, 'exit')
      server.kill(signal)
      await exited
    }
    this.#folder.watch(undefined)
  }

  #url(user: string, database: string): string {
    return `postgres://${user}:${this.#password}@127.0.0.1:${this.#port}/${database}`
  }

  async #administer(statement: string): Promise<void> {
    const client = new pg.Client({ connectionString: this.url })
    client.on('error', () => undefined)
    try {
      await client.connect()
      await client.query(statement)
    } finally {
      await client.end()
    }
  }
}

/** Nothing lies outside the folder: no sockets, and shared memory as files, which a kill would leave behind elsewhere. */
function settingsOf({ fsync = true, maxConnections = 200, settings = {} }: PostgresOptions): Record<string, string> {
  const switched = fsync ? 'on' : 'off'
  return {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    dynamic_shared_memory_type: 'mmap',
    max_connections: String(maxConnections),
    fsync: switched,
    full_page_writes: switched,
    ...settings,
  }
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
