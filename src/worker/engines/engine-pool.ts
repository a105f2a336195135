import type { Logger } from 'pino'
import type { CageOptions } from './cage.ts'
import { Computing } from './computing.ts'
import { hasPlace, sharedEngine } from './engine-places.ts'
import type { Engine, EngineNeeds } from './engine-places.ts'
import { EngineProbe } from './engine-probe.ts'
import { EngineProcess } from './engine-process.ts'
import type { TaskControl } from './engine-process.ts'
import type { EngineSettings } from '../../contract/engine-protocol.ts'
import type { RecognitionTask } from '../../contract/recognition-task.ts'
import type { Transcript } from '../../contract/transcript.ts'

export interface EnginePoolOptions {
  readonly settings: Omit<EngineSettings, 'modelFolder'>
  /** Engines that compute at the same time. */
  readonly computing: number
  /** How long a model stays loaded that nobody uses. */
  readonly ttlMs: number
  /** What loaded models may take together. */
  readonly memoryBytes: number
  /** What the process of a model that takes so much is started in. */
  readonly cageOf?: (modelBytes: number) => CageOptions
  /** How long an engine that has answered counts as one that does. */
  readonly answeredMs?: number
  readonly nowMs?: () => number
  readonly logger: Logger
}

interface PooledEngine extends Engine {
  readonly process: EngineProcess
  holders: number
  expressHolders: number
  servesSinceMs: number | undefined
  /** Tasks that it computes. */
  tasks: number
  ttlTimer: NodeJS.Timeout | undefined
}

/** A place in an engine, from the moment when its task was admitted until it is disposed. */
export interface Held extends Disposable {
  readonly process: EngineProcess
  /** As the process does; it takes part in the computing meanwhile. */
  transcribe(task: RecognitionTask, control: TaskControl): Promise<Transcript>
}

/**
 * An engine process for each model in use. It is shared by the tasks of its model, as many as it has places. One that nobody uses ends
 * after a while, or as soon as another model needs its memory, the one that was used longest ago first. Nothing waits here: who finds
 * no room is told so.
 */
export class EnginePool implements AsyncDisposable {
  readonly #options: EnginePoolOptions
  readonly #computing: Computing
  /** The one that was used longest ago comes first. */
  readonly #engines = new Set<PooledEngine>()
  readonly #leftAtMs = new Map<string, number>()
  readonly #ending = new Set<Promise<void>>()
  readonly #listeners = new Set<() => void>()
  readonly #probe: EngineProbe
  readonly #nowMs: () => number

  constructor(options: EnginePoolOptions) {
    this.#options = options
    this.#nowMs = options.nowMs ?? (() => performance.now())
    this.#computing = new Computing({ limit: options.computing, logger: options.logger })
    const { settings, answeredMs } = options
    this.#probe = new EngineProbe({ process: () => this.#process('', 0, settings), answeredMs })
  }

  get memoryBytes(): number {
    return this.#options.memoryBytes
  }

  /** Those that are loaded, or being loaded. */
  get engines(): readonly Engine[] {
    return [...this.#engines]
  }

  /** When the last task that had a place of a model ended; undefined: none has yet. */
  leftAtMs(modelFolder: string): number | undefined {
    return this.#leftAtMs.get(modelFolder)
  }

  /** Tells of each place that becomes free. */
  onRoom(listener: () => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  /**
   * Takes a place in the model's engine, which is loaded with its first task; idle ones are unloaded for it as memory requires.
   * @param options.isAlone whether it gets a process that no other task shares: one that may have brought a process down is not to do so to others
   * @param options.isExpress whether it may take the last place, which is kept for short ones
   * @returns undefined when there is no place, or others that are in use leave no memory for it; what is larger than all memory is tried alone
   */
  hold(
    needs: EngineNeeds,
    { isAlone = false, isExpress = false }: { readonly isAlone?: boolean; readonly isExpress?: boolean } = {},
  ): Held | undefined {
    const shared = isAlone ? undefined : sharedEngine(this.#engines, needs)
    if (shared !== undefined) return hasPlace(shared, isExpress) ? this.#take(shared, isExpress) : undefined
    const engine = this.#load(isAlone ? { ...needs, places: 1 } : needs, isAlone)
    return engine && this.#take(engine, isExpress)
  }

  /** Fails unless an engine process answers: one that runs, or one that is started to see. Who asks meanwhile shares it. */
  async check(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const isRunning = [...this.#engines].some(({ process }) => process.pid !== undefined)
    if (!isRunning) await this.#probe.check(signal)
  }

  #process(modelFolder: string, bytes: number, settings: Omit<EngineSettings, 'modelFolder'>): EngineProcess {
    const cage = this.#options.cageOf?.(bytes)
    const onLetGo = (): void => this.#tell()
    return new EngineProcess({ ...settings, modelFolder }, { onLetGo, ...(cage === undefined ? {} : { cage }) })
  }

  /** Ends the engine processes. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#computing[Symbol.dispose]()
    await this.#probe[Symbol.asyncDispose]()
    for (const engine of [...this.#engines]) this.#unload(engine)
    await Promise.all(this.#ending)
  }

  #take(engine: PooledEngine, isExpress: boolean): Held {
    clearTimeout(engine.ttlTimer)
    this.#engines.delete(engine)
    this.#engines.add(engine)
    engine.holders += 1
    if (isExpress) engine.expressHolders += 1
    let isHeld = true
    return {
      process: engine.process,
      transcribe: (task, control) => this.#transcribe(engine, task, control),
      [Symbol.dispose]: () => {
        if (isHeld) this.#release(engine, isExpress)
        isHeld = false
      },
    }
  }

  async #transcribe(engine: PooledEngine, task: RecognitionTask, control: TaskControl): Promise<Transcript> {
    if (++engine.tasks === 1) this.#computing.join(engine.process)
    const onProgress: TaskControl['onProgress'] = (progress) => {
      engine.servesSinceMs ??= this.#nowMs()
      control.onProgress?.(progress)
    }
    try {
      return await engine.process.transcribe(task, { ...control, onProgress })
    } finally {
      if (--engine.tasks === 0) this.#computing.leave(engine.process)
    }
  }

  #release(engine: PooledEngine, isExpress: boolean): void {
    engine.servesSinceMs ??= this.#nowMs()
    engine.holders -= 1
    if (isExpress) engine.expressHolders -= 1
    if (engine.holders === 0) {
      this.#leftAtMs.set(engine.modelFolder, this.#nowMs())
      if (engine.isAlone) this.#unload(engine)
      else engine.ttlTimer = setTimeout(() => this.#unload(engine), this.#options.ttlMs)
    }
    this.#tell()
  }

  #load(needs: EngineNeeds, isAlone: boolean): PooledEngine | undefined {
    const { modelFolder, bytes, places } = needs
    const { settings, memoryBytes, logger } = this.#options
    if (!this.#makeRoom(bytes)) return undefined
    if (bytes > memoryBytes) {
      logger.warn({ neededBytes: bytes, memoryBytes }, 'the model may need more memory than models may take together')
    }
    const process = this.#process(modelFolder, bytes, { ...settings, batch: places })
    const engine: PooledEngine = {
      ...{ ...needs, isAlone, process, holders: 0, expressHolders: 0, tasks: 0 },
      ...{ loadedAtMs: this.#nowMs(), servesSinceMs: undefined, ttlTimer: undefined },
      get takenPlaces() {
        return Math.max(this.holders, process.tasks)
      },
    }
    this.#engines.add(engine)
    return engine
  }

  /** Unloads idle engines as far as it has to; none when those in use leave too little all the same. */
  #makeRoom(bytes: number): boolean {
    const { memoryBytes } = this.#options
    const used = (engines: readonly PooledEngine[]): number => engines.reduce((sum, engine) => sum + engine.bytes, 0)
    const all = [...this.#engines]
    const inUse = all.filter(({ holders }) => holders > 0)
    if (used(inUse) + bytes > memoryBytes && inUse.length > 0) return false
    for (const idle of all.filter(({ holders }) => holders === 0)) {
      if (used([...this.#engines]) + bytes <= memoryBytes) break
      this.#unload(idle)
    }
    return true
  }

  #unload(engine: PooledEngine): void {
    clearTimeout(engine.ttlTimer)
    if (!this.#engines.delete(engine)) return
    const ended = engine.process[Symbol.asyncDispose]()
    this.#ending.add(ended)
    void ended.finally(() => this.#ending.delete(ended))
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }
}
