import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { extname } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import type { EngineReply, EngineRequest, EngineSettings } from '../../contract/engine-protocol.ts'
import { isErrorCode } from '../../contract/error-codes.ts'
import type { FinishedWindow, RecognitionProgress, RecognitionTask } from '../../contract/recognition-task.ts'
import type { Transcript } from '../../contract/transcript.ts'
import { caged } from './cage.ts'
import type { CageOptions } from './cage.ts'
import { endEngine, exitOf } from './engine-end.ts'
import { engineEnvironment } from './engine-environment.ts'
import { EngineProcessError } from '../errors.ts'
import { showing } from './sandbox.ts'

/** A native call can't be interrupted: when nothing else runs, a task that has not ended this long after its abort ends the process. */
const ABORT_GRACE_MS = 1000

/**
 * Longer than any native call takes. The longest are the encoder of a large model on slow cores, two million million operations, and the
 * loading of its weights from a slow disk. What hangs in FFmpeg, or on a device, is noticed much sooner.
 */
const STALL_MS = 1_800_000
/**
 * The watchdog counts silence in so many intervals of this process's own timer: a process that was suspended, alone or with the machine,
 * does not take that for the engine's silence.
 */
const STALL_PARTS = 6

/** The extension differs between a checkout and a compiled package. */
const ENTRY = fileURLToPath(new URL(`../../engine/engine-main${extname(import.meta.url)}`, import.meta.url))

/** The engine makes little garbage: a young generation of 1 MB instead of 16 takes 37 MB less, and no more time. */
const NODE_FLAGS = ['--max-semi-space-size=1']

/** Nothing is denied where nobody knows how much it needs. */
const OPEN_CAGE: CageOptions = { dataBytes: null, fileBytes: null, sandbox: null }

export interface EngineProcessOptions {
  /** How long the process may give no sign of life while it has tasks. */
  readonly stallMs?: number
  /** Called when it holds a task less. */
  readonly onLetGo?: () => void
  readonly cage?: CageOptions
  /** What the process runs. */
  readonly entry?: string
}

export interface TaskControl {
  readonly signal: AbortSignal
  /** Is told that the model is loaded. */
  readonly onLoaded?: (() => void) | undefined
  /** Is told the speed that is expected of the model as soon as that is loaded. */
  readonly onExpectedSpeed?: ((speed: number) => void) | undefined
  readonly onProgress?: ((progress: RecognitionProgress) => void) | undefined
  /** Is given each window as soon as it is finished. */
  readonly onWindow?: ((window: FinishedWindow) => void) | undefined
}

interface Running {
  readonly resolve: (transcript: Transcript) => void
  readonly reject: (error: unknown) => void
  readonly control: TaskControl
  /** Nobody waits for it any more, but the process has not let go of it. */
  isAbandoned: boolean
}

/**
 * The engine in a process of its own: inference blocks its thread, and a native crash or a leak ends with the process, which gives its
 * memory back. It is started when it is first needed and again after it died.
 */
export class EngineProcess implements AsyncDisposable {
  readonly #settings: EngineSettings
  readonly #cage: CageOptions
  readonly #entry: string
  readonly #stallMs: number
  readonly #onLetGo: (() => void) | undefined
  readonly #running = new Map<number, Running>()
  readonly #listeners = new Set<() => void>()
  #child: ChildProcess | undefined
  #stallTimer: NodeJS.Timeout | undefined
  #isPaused = false
  #lastId = 0

  constructor(settings: EngineSettings, options: EngineProcessOptions = {}) {
    this.#settings = settings
    this.#cage = options.cage ?? OPEN_CAGE
    this.#entry = options.entry ?? ENTRY
    this.#stallMs = options.stallMs ?? STALL_MS
    this.#onLetGo = options.onLetGo
  }

  /** Undefined while it does not run. In a sandbox it is that of the process which holds it, and with which it ends. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Tasks that it holds, those included that were aborted inside a native call. */
  get tasks(): number {
    return this.#running.size
  }

  /**
   * @throws EngineProcessError `engine.crashed` when the process dies or hangs, or with the code of what the engine reports
   * @throws the signal's reason when it is aborted, at once
   */
  async transcribe(task: RecognitionTask, control: TaskControl): Promise<Transcript> {
    const { signal } = control
    signal.throwIfAborted()
    const child = this.#start()
    const id = ++this.#lastId
    const { promise, resolve, reject } = Promise.withResolvers<Transcript>()
    const running: Running = { resolve, reject, control, isAbandoned: false }
    this.#running.set(id, running)
    const onAbort = (): void => {
      running.isAbandoned = true
      send(child, { type: 'abort', id })
      setTimeout(() => this.#killIfAbandoned(child, id), ABORT_GRACE_MS).unref()
      reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      send(child, { type: 'recognise', id, task })
      this.#watch()
      return await promise
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /**
   * Starts the process where it does not run; resolves with its next sign of life.
   * @throws EngineProcessError `engine.crashed`, or the signal's reason
   */
  async ready(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const child = this.#start()
    // Whatever it says, it is there; an exit aborts the wait.
    const exited = new AbortController()
    const onExit = (): void => exited.abort(new EngineProcessError('engine.crashed', 'The engine process ended.'))
    child.once('exit', onExit)
    try {
      await once(child, 'message', { signal: AbortSignal.any([signal, exited.signal]) })
    } catch (error) {
      // What it throws when it is aborted does not say why.
      exited.signal.throwIfAborted()
      signal.throwIfAborted()
      throw error
    } finally {
      child.off('exit', onExit)
    }
  }

  /** Begins no further window; resolves when it is inside none. */
  async pause(): Promise<void> {
    this.#isPaused = true
    const child = this.#child
    if (child === undefined) return
    const paused = new Promise<void>((resolve) => this.#listeners.add(resolve))
    send(child, { type: 'pause' })
    await paused
  }

  resume(): void {
    this.#isPaused = false
    if (this.#child !== undefined) send(this.#child, { type: 'resume' })
  }

  /** Ends the process. */
  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    // Its standard output is open until the last process behind it is gone, which in a sandbox is the engine itself.
    const closed = once(child, 'close')
    endEngine(child, this.#cage.sandbox !== null)
    await closed
  }

  #start(): ChildProcess {
    if (this.#child !== undefined) return this.#child
    const { sandbox, ...limits } = this.#cage
    const cage = { ...limits, sandbox: sandbox && showing(sandbox, this.#settings.modelFolder) }
    const { execPath, execArgv } = caged({ execPath: process.execPath, execArgv: NODE_FLAGS }, cage)
    const child = fork(this.#entry, [], {
      execPath,
      execArgv: [...execArgv],
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
      env: engineEnvironment(),
    })
    child.stdout?.resume()
    child.on('message', (reply) => this.#receive(reply as EngineReply))
    child.on('error', (cause) => this.#lose(child, 'could not be started', cause))
    child.on('exit', (code, signal) => this.#lose(child, `ended with ${signal ?? exitOf(code)}`))
    this.#child = child
    send(child, { type: 'start', settings: this.#settings })
    if (this.#isPaused) send(child, { type: 'pause' })
    return child
  }

  #lose(child: ChildProcess, how: string, cause?: unknown): void {
    if (this.#child !== child) return
    this.#child = undefined
    const running = [...this.#running.values()]
    this.#running.clear()
    this.#onLetGo?.()
    this.#watch()
    this.#tellPaused()
    const error = new EngineProcessError('engine.crashed', `The engine process ${how}.`, { cause })
    for (const { reject } of running) reject(error)
  }

  #receive(reply: EngineReply): void {
    this.#watch()
    if (reply.type === 'alive') return
    if (reply.type === 'hung') {
      this.#end('hung while it read a recording')
      return
    }
    if (reply.type === 'paused') {
      this.#tellPaused()
      return
    }
    const running = this.#running.get(reply.id)
    if (reply.type === 'loaded') {
      running?.control.onLoaded?.()
      if (reply.expectedSpeed !== null) running?.control.onExpectedSpeed?.(reply.expectedSpeed)
      return
    }
    if (reply.type === 'progress') {
      running?.control.onProgress?.(reply.progress)
      return
    }
    if (reply.type === 'window') {
      if (running?.isAbandoned === false) running.control.onWindow?.(reply.window)
      return
    }
    this.#running.delete(reply.id)
    this.#onLetGo?.()
    this.#watch()
    switch (reply.type) {
      case 'done':
        running?.resolve(reply.transcript)
        return
      case 'aborted':
        running?.reject(new EngineProcessError('engine.aborted', 'The task was aborted.'))
        return
      case 'failed': {
        const { code, message, stack } = reply.error
        const cause = new Error(message)
        cause.stack = stack
        // The registry of the process is this one's, unless the program was replaced while it ran.
        running?.reject(new EngineProcessError(isErrorCode(code) ? code : 'engine.failed', message, { cause }))
      }
    }
  }

  #tellPaused(): void {
    const listeners = [...this.#listeners]
    this.#listeners.clear()
    for (const listener of listeners) listener()
  }

  /** The watchdog: each sign of life starts it anew. */
  #watch(): void {
    clearInterval(this.#stallTimer)
    if (this.#running.size === 0) return
    let silentParts = 0
    this.#stallTimer = setInterval(() => {
      if (++silentParts > STALL_PARTS) this.#end(`gave no sign of life for ${this.#stallMs / 1000} s`)
    }, this.#stallMs / STALL_PARTS)
    this.#stallTimer.unref()
  }

  /** What hangs does not end by itself. */
  #end(why: string): void {
    const child = this.#child
    if (child === undefined) return
    this.#lose(child, why)
    endEngine(child, this.#cage.sandbox !== null)
  }

  /** What others wait for goes on; a process that computes for nobody ends. */
  #killIfAbandoned(child: ChildProcess, id: number): void {
    const isForNobody = [...this.#running.values()].every(({ isAbandoned }) => isAbandoned)
    if (this.#child === child && this.#running.has(id) && isForNobody) endEngine(child, this.#cage.sandbox !== null)
  }
}

/** A process that has died, or was never there, can't be written to; that is reported by its `exit` or `error`. */
function send(child: ChildProcess, request: EngineRequest): void {
  if (!child.connected) return
  child.send(request, () => undefined)
}
