/** One piece of work that several wait for: it is aborted when the last of them stops waiting. */
export class SharedTask<Result, Progress> {
  /** Resolves when the work has ended, well or not. */
  readonly settled: Promise<void>
  readonly #result: Promise<Result>
  readonly #abort = new AbortController()
  readonly #listeners = new Set<(progress: Progress) => void>()
  #waiting = 0

  constructor(work: (signal: AbortSignal, report: (progress: Progress) => void) => Promise<Result>) {
    this.#result = work(this.#abort.signal, (progress) => {
      for (const listener of this.#listeners) listener(progress)
    })
    this.settled = this.#result.then(
      () => undefined,
      () => undefined,
    )
  }

  /** The last waiter left, and aborted it: who comes now starts another one. */
  get isAbandoned(): boolean {
    return this.#abort.signal.aborted
  }

  /** @throws what the work throws, or the signal's reason */
  async join(signal: AbortSignal, onProgress: ((progress: Progress) => void) | undefined): Promise<Result> {
    signal.throwIfAborted()
    const { promise: aborted, reject } = Promise.withResolvers<never>()
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    if (onProgress !== undefined) this.#listeners.add(onProgress)
    this.#waiting += 1
    try {
      return await Promise.race([this.#result, aborted])
    } finally {
      signal.removeEventListener('abort', onAbort)
      if (onProgress !== undefined) this.#listeners.delete(onProgress)
      this.#waiting -= 1
      if (this.#waiting === 0) this.#abort.abort()
    }
  }
}
