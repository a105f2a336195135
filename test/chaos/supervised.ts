import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { Server } from '../support/server.ts'
import type { Arrival, ServerOptions } from '../support/server.ts'

/** A process of ours as a supervisor keeps it: whenever it ends, it is started again on its data folder. */
export class Supervised implements AsyncDisposable {
  readonly #options: ServerOptions
  readonly #logs: Arrival[] = []
  #server: Server | undefined
  #starting: Promise<void> = Promise.resolve()
  #isOver = false

  private constructor(options: ServerOptions) {
    this.#options = options
  }

  static async start(options: ServerOptions): Promise<Supervised> {
    const supervised = new Supervised(options)
    await supervised.#start()
    return supervised
  }

  /** Undefined while it is being started. */
  get server(): Server | undefined {
    return this.#server
  }

  /** What all its processes have logged. */
  get log(): readonly Arrival[] {
    return [...this.#logs, ...(this.#server?.log ?? [])]
  }

  /**
   * Ends it, and resolves when it is there again.
   * @param meanwhile done while it is down
   */
  async restart(signal: 'SIGKILL' | 'SIGTERM', meanwhile?: () => Promise<void>): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server !== undefined) {
      await server.end(signal)
      this.#logs.push(...server.log)
    }
    await meanwhile?.()
    this.#starting = this.#start()
    await this.#starting
  }

  /** Kills an engine process of its, if there is one. */
  async killEngine(): Promise<boolean> {
    const engine = await this.#server?.engine().catch(() => undefined)
    if (engine === undefined) return false
    try {
      process.kill(engine, 'SIGKILL')
      return true
    } catch {
      return false
    }
  }

  /** Ends it gracefully for good; says the exit code. */
  async end(): Promise<number | null> {
    this.#isOver = true
    await this.#starting
    const server = this.#server
    if (server === undefined) return null
    const code = await server.end('SIGTERM')
    this.#logs.push(...server.log)
    this.#server = undefined
    return code
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true
    await this.#starting.catch(() => undefined)
    await this.#server?.[Symbol.asyncDispose]()
  }

  /** A start in bad weather may fail, and is tried again. */
  async #start(): Promise<void> {
    while (!this.#isOver) {
      try {
        this.#server = await Server.start(this.#options)
        return
      } catch (error) {
        const atMs = performance.now()
        this.#logs.push(
          ...String(error)
            .split('\n')
            .map((text) => ({ text, atMs })),
        )
        await delay(200)
      }
    }
  }
}
