import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { EngineError } from '../errors.ts'
import { readFeatures } from './features.ts'
import type { AudioFeatures, OpenFeaturesOptions } from './features.ts'
import type { FeaturesReply, FeaturesRequest } from './features-thread.ts'

/** The extension differs between a checkout and a compiled package. */
const ENTRY = fileURLToPath(new URL(`./features-thread${extname(import.meta.url)}`, import.meta.url))

/**
 * Recordings that are read at the same time; others wait. One after the other, so that the first is decoded while the next is read; not
 * one alone, so that a long recording does not hold up all others.
 */
const MAX_READERS = 2

/** A call of FFmpeg takes milliseconds, and the thread says each second how far it is. A slow disk may take its time. */
const STALL_MS = 60_000
/**
 * The watchdog counts silence in so many intervals of this thread's own timer: a thread that was blocked itself, or suspended with the
 * machine, does not take that for the other's silence.
 */
const PARTS = 6

export interface ThreadedFeaturesOptions {
  /** Called when the thread has recordings to read and says nothing: it hangs in a native call, which only the end of the process ends. */
  readonly onHang?: () => void
  readonly stallMs?: number
  /** What the thread runs. */
  readonly entry?: string
}

interface Pending {
  readonly resolve: (features: AudioFeatures) => void
  readonly reject: (error: unknown) => void
  readonly onProgress: ((seconds: number) => void) | undefined
}

/**
 * FFmpeg and the log-mel in a thread of their own, so that a recording is read while the windows of others are decoded: inference
 * blocks the thread that it is called on.
 */
export class ThreadedFeatures implements AsyncDisposable {
  readonly #pending = new Map<number, Pending>()
  readonly #waiting: (() => void)[] = []
  #thread: Worker | undefined
  #reading = 0
  #last = 0
  readonly #options: ThreadedFeaturesOptions
  #watch: NodeJS.Timeout | undefined
  #silentParts = 0

  constructor(options: ThreadedFeaturesOptions = {}) {
    this.#options = options
  }

  /**
   * As `openFeatures` of features.ts.
   * @param options.isExpress whether it is read at once, whatever else is being read: for what is short
   */
  async open(path: string, options: OpenFeaturesOptions & { readonly isExpress?: boolean }): Promise<AudioFeatures> {
    if (options.isExpress === true) return await this.#open(path, options)
    while (this.#reading === MAX_READERS) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#reading += 1
    try {
      options.signal?.throwIfAborted()
      return await this.#open(path, options)
    } finally {
      this.#reading -= 1
      this.#waiting.shift()?.()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#watch)
    await this.#thread?.terminate()
  }

  async #open(path: string, options: OpenFeaturesOptions): Promise<AudioFeatures> {
    const { melBands, temporaryFolder, maxSeconds, audioTrack = null, signal, onProgress } = options
    const thread = (this.#thread ??= this.#start())
    const id = ++this.#last
    const { promise, resolve, reject } = Promise.withResolvers<AudioFeatures>()
    this.#pending.set(id, { resolve, reject, onProgress })
    const send = (request: FeaturesRequest): void => thread.postMessage(request)
    const onAbort = (): void => send({ type: 'abort', id })
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      send({ type: 'compute', id, path, melBands, temporaryFolder, maxSeconds, audioTrack })
      this.#listen()
      return await promise
    } catch (error) {
      signal?.throwIfAborted()
      throw error
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  #start(): Worker {
    const thread = new Worker(this.#options.entry ?? ENTRY, { name: 'audio' })
    thread.on('message', (reply: FeaturesReply) => this.#receive(reply))
    thread.on('error', (error: unknown) => this.#lose(error))
    thread.on('exit', () => this.#lose(new Error('the audio thread has ended')))
    return thread
  }

  /** While there is something to read, the thread has to say something now and then. */
  #listen(): void {
    const { onHang, stallMs = STALL_MS } = this.#options
    if (this.#watch !== undefined || onHang === undefined) return
    this.#silentParts = 0
    this.#watch = setInterval(() => {
      this.#silentParts += 1
      if (this.#silentParts > PARTS) onHang()
    }, stallMs / PARTS)
  }

  #receive(reply: FeaturesReply): void {
    this.#silentParts = 0
    const pending = this.#pending.get(reply.id)
    if (reply.type === 'progress') {
      pending?.onProgress?.(reply.seconds)
      return
    }
    this.#pending.delete(reply.id)
    if (this.#pending.size === 0) this.#stopListening()
    if (reply.type === 'done') {
      pending?.resolve(readFeatures(reply.raw))
      return
    }
    const { code, error } = reply
    // An error loses its class on the way between threads.
    const message = error instanceof Error ? error.message : String(error)
    pending?.reject(code === null ? error : new EngineError(code, message, { cause: error }))
  }

  #stopListening(): void {
    clearInterval(this.#watch)
    this.#watch = undefined
  }

  #lose(error: unknown): void {
    this.#stopListening()
    this.#thread = undefined
    for (const { reject } of this.#pending.values()) reject(error)
    this.#pending.clear()
  }
}
