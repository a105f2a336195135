import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { EngineProgress, EngineReply, EngineRequest, EngineTask } from './engine-protocol.ts'
import { EngineProcessError } from './errors.ts'
import type { Transcription } from '../whisper/result.ts'

/** A native call can't be interrupted: a task that has not ended this long after its abort is ended with its process. */
const ABORT_GRACE_MS = 1000

/** The command line's hidden command; the extension differs between a checkout and a compiled package. */
const MAIN = fileURLToPath(new URL(`../main${extname(import.meta.url)}`, import.meta.url))

interface Running {
  readonly resolve: (transcription: Transcription) => void
  readonly reject: (error: unknown) => void
  readonly onProgress: ((progress: EngineProgress) => void) | undefined
}

/**
 * The engine in a process of its own: inference blocks its thread, and a native crash or a leak ends with the process. It is
 * started when it is first needed and again after it died; it keeps the model of its last task loaded.
 */
export class EngineProcess implements AsyncDisposable {
  readonly #threads: number
  readonly #temporaryFolder: string
  #child: ChildProcess | undefined
  #running: Running | undefined
  #pings = new Map<number, () => void>()
  #lastPing = 0

  constructor(options: { readonly threads: number; readonly temporaryFolder: string }) {
    this.#threads = options.threads
    this.#temporaryFolder = options.temporaryFolder
  }

  /**
   * @throws EngineProcessError `engine.crashed` when the process dies, or with the code of what the engine reports
   * @throws the signal's reason when it is aborted, at once or within a second
   */
  async transcribe(
    task: EngineTask,
    options: { readonly signal: AbortSignal; readonly onProgress?: (progress: EngineProgress) => void },
  ): Promise<Transcription> {
    const { signal, onProgress } = options
    signal.throwIfAborted()
    if (this.#running !== undefined) throw new Error('The engine process runs one task at a time.')
    const child = this.#start()
    const { promise, resolve, reject } = Promise.withResolvers<Transcription>()
    this.#running = { resolve, reject, onProgress }

    let killTimer: NodeJS.Timeout | undefined
    const onAbort = (): void => {
      send(child, { type: 'abort' })
      killTimer = setTimeout(() => child.kill('SIGKILL'), ABORT_GRACE_MS)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      send(child, { type: 'transcribe', task })
      return await promise
    } catch (error) {
      signal.throwIfAborted()
      throw error
    } finally {
      clearTimeout(killTimer)
      signal.removeEventListener('abort', onAbort)
      this.#running = undefined
    }
  }

  /** Resolves when the process answers. A process that runs a task may be inside a native call, so it is not asked. */
  async ping(signal: AbortSignal): Promise<void> {
    if (this.#running !== undefined) return
    signal.throwIfAborted()
    const child = this.#start()
    const id = ++this.#lastPing
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    this.#pings.set(id, resolve)
    try {
      send(child, { type: 'ping', id })
      await promise
    } finally {
      this.#pings.delete(id)
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Ends the process. */
  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }

  #start(): ChildProcess {
    if (this.#child !== undefined) return this.#child
    const child = fork(MAIN, ['engine', String(this.#threads), this.#temporaryFolder], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: [],
    })
    child.on('message', (reply) => this.#receive(reply as EngineReply))
    child.on('error', (cause) => this.#lose(child, 'could not be started', cause))
    child.on('exit', (code, signal) => this.#lose(child, `ended with ${signal ?? `exit code ${code}`}`))
    this.#child = child
    return child
  }

  #lose(child: ChildProcess, how: string, cause?: unknown): void {
    if (this.#child !== child) return
    this.#child = undefined
    this.#running?.reject(
      new EngineProcessError('engine.crashed', `The engine process ${how}.`, { retryable: true, cause }),
    )
  }

  #receive(reply: EngineReply): void {
    switch (reply.type) {
      case 'pong':
        this.#pings.get(reply.id)?.()
        return
      case 'progress':
        this.#running?.onProgress?.(reply.progress)
        return
      case 'done':
        this.#running?.resolve(reply.transcription)
        return
      case 'aborted':
        this.#running?.reject(new EngineProcessError('engine.aborted', 'The task was aborted.', { retryable: true }))
        return
      case 'failed': {
        const { code, message, retryable, stack } = reply.error
        const cause = new Error(message)
        cause.stack = stack
        this.#running?.reject(new EngineProcessError(code, message, { retryable, cause }))
      }
    }
  }
}

/** A process that has just died can't be written to; that it died is reported by its `exit`. */
function send(child: ChildProcess, request: EngineRequest): void {
  child.send(request, () => undefined)
}
