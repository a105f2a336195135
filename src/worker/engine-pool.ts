import type { Logger } from 'pino'
import type { CageOptions } from './cage.ts'
import { EngineProcess } from './engine-process.ts'
import type { EngineSettings } from '../contract/engine-protocol.ts'
import { Turns } from './turns.ts'
import { Wakeup } from './wakeup.ts'

export interface EnginePoolOptions {
  readonly settings: Omit<EngineSettings, 'modelFolder'>
  /** Engines that compute at the same time. */
  readonly computing: number
  /** How long a model stays loaded that nobody uses. */
  readonly ttlMs: number
  /** What loaded models may take together. */
  readonly memoryBytes: number
  /** Bytes that a checkpoint takes when it is loaded. */
  readonly estimate: (modelFolder: string) => Promise<number>
  /** Tasks of a checkpoint that run at the same time, where that depends on it. */
  readonly batchOf?: (modelFolder: string) => Promise<number>
  /** What the process of a model that takes so much is started in. */
  readonly cageOf?: (modelBytes: number) => CageOptions
  /** How long an engine that has answered counts as one that does. */
  readonly answeredMs?: number
  readonly logger: Logger
}

/** Half a second of computing is not spent for each who asks whether an engine would start, and an engine that no longer does is soon seen. */
const ANSWERED_MS = 5000
/** On a machine that is very busy. It goes on when who asked has gone, for who asks next. */
const PROBE_MS = 60_000

interface Loaded {
  readonly key: string
  /** Whether it ends with its task. */
  readonly isAlone: boolean
  readonly process: EngineProcess
  readonly bytes: number
  readonly batch: number
  /** Tasks that hold it. */
  holders: number
  ttlTimer: NodeJS.Timeout | undefined
}

export interface Held extends Disposable {
  readonly process: EngineProcess
}

/**
 * An engine process for each model in use. It is shared by the tasks of its model, up to as many as it decodes together; one that
 * nobody uses ends after a while, or as soon as another model needs its memory, the one that was used longest ago first.
 */
export class EnginePool implements AsyncDisposable {
  readonly #options: EnginePoolOptions
  readonly #turns: Turns
  readonly #changes = new Wakeup()
  /** The one that was used longest ago comes first. */
  readonly #loaded = new Map<string, Loaded>()
  readonly #ending = new Set<Promise<void>>()
  readonly #stop = new AbortController()
  #probe: Promise<void> | undefined
  #answeredMs = Number.NEGATIVE_INFINITY
  #lastAlone = 0

  constructor(options: EnginePoolOptions) {
    this.#options = options
    this.#turns = new Turns({ limit: options.computing, logger: options.logger })
  }

  /**
   * Waits until there is room for one more task of this model.
   * @param options.isAlone whether it gets a process that no other task shares: one that may have brought a process down is not to do so to others
   * @param options.isExpress whether it may take the last place, which is kept for short ones
   */
  async hold(
    modelFolder: string,
    signal: AbortSignal,
    { isAlone = false, isExpress = false }: { readonly isAlone?: boolean; readonly isExpress?: boolean } = {},
  ): Promise<Held> {
    const key = isAlone ? `${modelFolder} alone ${++this.#lastAlone}` : modelFolder
    let needs: Pick<Loaded, 'bytes' | 'batch'> | undefined
    for (;;) {
      signal.throwIfAborted()
      if (!this.#loaded.has(key)) needs ??= await this.#needsOf(modelFolder, isAlone)
      const moment = this.#changes.now()
      const loaded = this.#loaded.get(key) ?? (needs && this.#load(modelFolder, { key, isAlone, ...needs }))
      if (loaded !== undefined && this.#isFree(loaded, isExpress)) return this.#take(loaded)
      await this.#changes.since(moment, signal)
    }
  }

  /** Read from the checkpoint, where it is not loaded already. */
  async #needsOf(modelFolder: string, isAlone: boolean): Promise<Pick<Loaded, 'bytes' | 'batch'>> {
    const { settings, estimate, batchOf } = this.#options
    const bytes = await estimate(modelFolder)
    return { bytes, batch: isAlone ? 1 : ((await batchOf?.(modelFolder)) ?? settings.batch) }
  }

  /** Fails unless an engine process answers: one that runs, or one that is started to see. Who asks meanwhile shares it. */
  async check(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const isRunning = [...this.#loaded.values()].some((loaded) => loaded.process.pid !== undefined)
    const { answeredMs = ANSWERED_MS } = this.#options
    if (isRunning || performance.now() - this.#answeredMs < answeredMs) return
    this.#probe ??= this.#tryOut().finally(() => (this.#probe = undefined))
    const { promise: aborted, reject } = Promise.withResolvers<never>()
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      await Promise.race([this.#probe, aborted])
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  async #tryOut(): Promise<void> {
    await using probe = this.#process('', 0, this.#options.settings)
    await probe.ready(AbortSignal.any([this.#stop.signal, AbortSignal.timeout(PROBE_MS)]))
    this.#answeredMs = performance.now()
  }

  #process(modelFolder: string, bytes: number, settings: Omit<EngineSettings, 'modelFolder'>): EngineProcess {
    const cage = this.#options.cageOf?.(bytes)
    const onLetGo = (): void => this.#changes.ring()
    return new EngineProcess({ ...settings, modelFolder }, { onLetGo, ...(cage === undefined ? {} : { cage }) })
  }

  /** Ends the engine processes. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#turns[Symbol.dispose]()
    this.#stop.abort()
    await this.#probe?.catch(() => undefined)
    for (const loaded of [...this.#loaded.values()]) this.#unload(loaded)
    await Promise.all(this.#ending)
  }

  /** A process also counts what it has not let go of yet. */
  #isFree({ holders, process, batch }: Loaded, isExpress: boolean): boolean {
    return Math.max(holders, process.tasks) < (isExpress || batch === 1 ? batch : batch - 1)
  }

  #take(loaded: Loaded): Held {
    clearTimeout(loaded.ttlTimer)
    this.#loaded.delete(loaded.key)
    this.#loaded.set(loaded.key, loaded)
    loaded.holders += 1
    if (loaded.holders === 1) this.#turns.join(loaded.process)
    return { process: loaded.process, [Symbol.dispose]: () => this.#release(loaded) }
  }

  #release(loaded: Loaded): void {
    loaded.holders -= 1
    if (loaded.holders === 0) {
      this.#turns.leave(loaded.process)
      if (loaded.isAlone) this.#unload(loaded)
      else loaded.ttlTimer = setTimeout(() => this.#unload(loaded), this.#options.ttlMs)
    }
    this.#changes.ring()
  }

  /** Undefined while others that are in use leave no memory for it; what is larger than all memory is tried alone. */
  #load(modelFolder: string, entry: Pick<Loaded, 'key' | 'isAlone' | 'bytes' | 'batch'>): Loaded | undefined {
    const { bytes, batch } = entry
    const { settings, memoryBytes, logger } = this.#options
    const used = (): number => [...this.#loaded.values()].reduce((sum, loaded) => sum + loaded.bytes, 0)
    for (const idle of [...this.#loaded.values()].filter(({ holders }) => holders === 0)) {
      if (used() + bytes <= memoryBytes) break
      this.#unload(idle)
    }
    if (used() + bytes > memoryBytes && this.#loaded.size > 0) return undefined
    if (bytes > memoryBytes) {
      logger.warn({ neededBytes: bytes, memoryBytes }, 'the model may need more memory than models may take together')
    }
    const process = this.#process(modelFolder, bytes, { ...settings, batch })
    const loaded: Loaded = { ...entry, process, holders: 0, ttlTimer: undefined }
    this.#loaded.set(entry.key, loaded)
    return loaded
  }

  #unload(loaded: Loaded): void {
    clearTimeout(loaded.ttlTimer)
    if (!this.#loaded.delete(loaded.key)) return
    const ended = loaded.process[Symbol.asyncDispose]()
    this.#ending.add(ended)
    void ended.finally(() => this.#ending.delete(ended))
    this.#changes.ring()
  }
}
