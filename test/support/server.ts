import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'

export const PROJECT = resolve(import.meta.dirname, '../..')
const PROGRAM = join(PROJECT, 'bin/sotto.js')

/**
 * What a test's process inherits, less whatever would change Sotto's settings. Engines run the same on every machine, and are killed by
 * tests as they are; tests of the sandbox turn it on. One thread each: for a model as small as the demo's, those of more wait for each
 * other most of the time, in loops that take the cores from other tests.
 */
function cleanEnvironment(extra: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(SOTTO_|HF_|AWS_|OTEL_|DATABASE_URL$|HOST$|PORT$|NODE_OPTIONS$|VITEST)/.test(name),
  )
  const same = { HF_HUB_OFFLINE: '1', SOTTO_DEVICE: 'cpu', SOTTO_SANDBOX: 'off', SOTTO_THREADS: '1' }
  return { ...Object.fromEntries(kept), ...same, ...extra }
}

/** A line of output, and when it came by this process's `performance.now`. */
export interface Arrival {
  readonly text: string
  readonly atMs: number
}

export interface ServerOptions {
  readonly dataDir: string
  /** What is run; the checkout's unless it is said. */
  readonly program?: string
  /** `sotto serve` unless it is said. */
  readonly role?: 'serve' | 'api' | 'worker'
  readonly arguments?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

/** The real program in a process of its own, on a free port unless it is a worker. Disposing it kills it. */
export class Server implements AsyncDisposable {
  /** Empty for a worker. */
  readonly url: string
  /** The key that the first start made, from the file that it wrote; undefined on later starts. */
  readonly newKey: string | undefined
  readonly #child: ChildProcess
  readonly #output: string[]
  /** Lines of stderr, which is the log. */
  readonly log: readonly Arrival[]

  private constructor(
    child: ChildProcess,
    { url, newKey }: Pick<Server, 'url' | 'newKey'>,
    output: string[],
    log: readonly Arrival[],
  ) {
    this.#child = child
    this.log = log
    this.url = url
    this.newKey = newKey
    this.#output = output
  }

  static async start(options: ServerOptions): Promise<Server> {
    const { role = 'serve', program = PROGRAM } = options
    const args = [role, '--port', '0', '--data-dir', options.dataDir, ...(options.arguments ?? [])]
    const child = spawn(process.execPath, [program, ...args], {
      cwd: options.dataDir,
      env: cleanEnvironment(options.environment ?? {}),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const output: string[] = []
    child.stderr.on('data', (chunk: Buffer) => output.push(chunk.toString()))
    const log: Arrival[] = []
    createInterface(child.stderr).on('line', (text) => log.push({ text, atMs: performance.now() }))
    const { promise, resolve: started, reject } = Promise.withResolvers<{ url: string; key: string | undefined }>()
    let key: string | undefined
    createInterface(child.stdout).on('line', (line) => {
      output.push(`${line}\n`)
      const keyFile = /^API key .*: in (.+)$/.exec(line)?.[1]
      if (keyFile !== undefined) key = readFileSync(keyFile, 'utf8').trim()
      const url = /takes jobs/.test(line) ? '' : /listens on (http:\/\/\S+)/.exec(line)?.[1]
      if (url !== undefined) started({ url, key })
    })
    child.on('exit', (code, signal) => {
      reject(new Error(`sotto ${role} ended with ${signal ?? code} before it listened:\n${output.join('')}`))
    })
    const { url, key: newKey } = await promise
    return new Server(child, { url, newKey }, output, log)
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('the server does not run')
    return this.#child.pid
  }

  /** Process id of an engine process of its; waits for nothing. */
  async engine(): Promise<number> {
    const [engine] = await this.engines()
    if (engine === undefined) throw new Error('no engine process runs')
    return engine
  }

  /** Process ids of its engine processes. */
  async engines(): Promise<readonly number[]> {
    return await this.#children('engine-main')
  }

  /** Process ids of those that read the headers of recordings. */
  async probes(): Promise<readonly number[]> {
    return await this.#children('probe-main')
  }

  async #children(entry: string): Promise<readonly number[]> {
    const children = await readFile(`/proc/${this.pid}/task/${this.pid}/children`, 'utf8')
    const pids = children.trim().split(' ').filter(Boolean).map(Number)
    const commands = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
    return pids.filter((_, index) => commands[index]?.includes(entry))
  }

  /** All that it printed so far, to stdout and stderr. */
  get output(): string {
    return this.#output.join('')
  }

  /** Sends a signal and waits for the end; says the exit code. */
  async end(signal: 'SIGTERM' | 'SIGINT' | 'SIGKILL'): Promise<number | null> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return this.#child.exitCode
    const exited = once(this.#child, 'exit')
    this.#child.kill(signal)
    await exited
    return this.#child.exitCode
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL')
  }
}

/** A folder that goes when the test is over. */
export async function temporaryFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'sotto-test-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) }
}

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs `sotto` with these arguments to its end. */
export async function sotto(
  args: readonly string[],
  options: {
    readonly cwd: string
    readonly environment?: Readonly<Record<string, string>>
    /** What it reads from stdin; nothing unless it is said. */
    readonly stdin?: Uint8Array
    /** What is run; the checkout's unless it is said. */
    readonly program?: string
  },
): Promise<Finished> {
  const child = spawn(process.execPath, [options.program ?? PROGRAM, ...args], {
    cwd: options.cwd,
    env: cleanEnvironment(options.environment ?? {}),
    stdio: 'pipe',
  })
  // It need not read all of it.
  child.stdin.on('error', () => undefined).end(options.stdin)
  const collect = async (stream: NodeJS.ReadableStream): Promise<string> => {
    let text = ''
    for await (const chunk of stream) text += String(chunk)
    return text
  }
  const [stdout, stderr] = await Promise.all([collect(child.stdout), collect(child.stderr), once(child, 'close')])
  return { code: child.exitCode, stdout, stderr }
}
