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
const AT_ONCE = 2

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

  /**
   * As `openFeatures` of features.ts.
   * @param options.isExpress whether it is read at once, whatever else is being read: for what is short
   */
  async open(path: string, options: OpenFeaturesOptions & { readonly isExpress?: boolean }): Promise<AudioFeatures> {
    if (options.isExpress === true) return await this.#open(path, options)
    while (this.#reading === AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve))
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
      return await promise
    } catch (error) {
      signal?.throwIfAborted()
      throw error
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  #start(): Worker {
    const thread = new Worker(ENTRY, { name: 'audio' })
    thread.on('message', (reply: FeaturesReply) => this.#receive(reply))
    thread.on('error', (error: unknown) => this.#lose(error))
    thread.on('exit', () => this.#lose(new Error('the audio thread has ended')))
    return thread
  }

  #receive(reply: FeaturesReply): void {
    const pending = this.#pending.get(reply.id)
    if (reply.type === 'progress') {
      pending?.onProgress?.(reply.seconds)
      return
    }
    this.#pending.delete(reply.id)
    if (reply.type === 'done') {
      pending?.resolve(readFeatures(reply.raw))
      return
    }
    const { code, error } = reply
    // An error loses its class on the way between threads.
    const message = error instanceof Error ? error.message : String(error)
    pending?.reject(code === null ? error : new EngineError(code, message, { cause: error }))
  }

  #lose(error: unknown): void {
    this.#thread = undefined
    for (const { reject } of this.#pending.values()) reject(error)
    this.#pending.clear()
  }
}
