import type { Garbage } from './garbage.ts'

export interface GarbageCollectorOptions {
  readonly garbage: Pick<Garbage, 'take' | 'removed' | 'failed' | 'untake' | 'forgetOld'>
  readonly payloads: {
    /** No error when there is none. */
    remove(key: string, signal: AbortSignal): Promise<void>
    list(folder: string, signal: AbortSignal): AsyncIterable<{ readonly key: string }>
  }
  /** Told of each payload that could not be removed, and of each round that failed. Both are tried again. */
  readonly onError: (error: unknown, key: string | null) => void
  /** A removal that takes longer is given up, and tried again later. Default: what an S3's client takes for all its attempts. */
  readonly removalMs?: number
}

const REMOVAL_MS = 30_000

/** Batch size: no statement may take long. */
const BATCH_LENGTH = 100
const CONCURRENT_REMOVALS = 8

/** Removes payloads that nobody needs any more, in rounds, one at a time. Whoever makes garbage only triggers a round. */
export class GarbageCollector implements AsyncDisposable {
  readonly #options: GarbageCollectorOptions
  readonly #stop = new AbortController()
  #isRung = false
  #running: Promise<void> | undefined

  constructor(options: GarbageCollectorOptions) {
    this.#options = options
  }

  /** There may be garbage. */
  ring(): void {
    this.#isRung = true
    this.#running ??= this.#run().finally(() => (this.#running = undefined))
  }

  /** Resolves when all garbage that was there at the call has been tried. */
  async clear(): Promise<void> {
    this.ring()
    await this.#running
  }

  /** Ends what runs; what is left is the next one's. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    while (this.#isRung && !this.#stop.signal.aborted) {
      this.#isRung = false
      try {
        await this.#round()
      } catch (error) {
        this.#options.onError(error, null)
      }
    }
  }

  async #round(): Promise<void> {
    const { garbage } = this.#options
    for (let isLast = false; !isLast && !this.#stop.signal.aborted;) {
      const taken = await garbage.take(BATCH_LENGTH)
      isLast = taken.isLast
      await this.#removeAll(taken.keys)
    }
    await garbage.forgetOld()
  }

  async #removeAll(keys: readonly string[]): Promise<void> {
    const { garbage, onError } = this.#options
    const left = [...keys]
    const removed: string[] = []
    const failed: string[] = []
    const work = async (): Promise<void> => {
      for (let key; !this.#stop.signal.aborted && (key = left.shift()) !== undefined;) {
        try {
          await this.#remove(key)
          removed.push(key)
        } catch (error) {
          failed.push(key)
          onError(error, key)
        }
      }
    }
    await Promise.all(Array.from({ length: CONCURRENT_REMOVALS }, work))
    await garbage.removed(removed)
    await garbage.failed(failed)
    await garbage.untake(left)
  }

  /** Not even a store that ends nothing when it is told to, such as a network's folder that is gone, holds up the others. */
  async #remove(key: string): Promise<void> {
    const signal = AbortSignal.timeout(this.#options.removalMs ?? REMOVAL_MS)
    const { promise: late, reject } = Promise.withResolvers<never>()
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    await Promise.race([this.#removeBelow(key, signal), late])
  }

  async #removeBelow(key: string, signal: AbortSignal): Promise<void> {
    const { payloads } = this.#options
    if (!key.endsWith('/')) return await payloads.remove(key, signal)
    for await (const below of payloads.list(key.slice(0, -1), signal)) {
      signal.throwIfAborted()
      await payloads.remove(below.key, signal)
    }
  }
}
