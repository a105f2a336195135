/** Silence for longer would have proxies take the connection for dead: many do after 60 s. */
const HEARTBEAT_MS = 15_000
/** Four a second. */
const LATEST_INTERVAL_MS = 250
/** Frames that wait for a reader who is slow. Whoever makes them waits for `room`. */
const MAX_FRAMES = 16

export const HEARTBEAT = ':\n\n'

/** An event as it goes over the line. Its data has no line breaks, being JSON. */
export function frame(name: string, data: unknown, id?: string | number): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
}

/**
 * What is to be written to one reader, in its order. Frames are all written; of what is `latest`, such as how far a job is, only the last
 * of each name, four times a second at most. A reader who is slow holds up whoever makes frames, and gets fewer of the latest.
 */
export class StreamWriter implements AsyncIterable<string> {
  #frames: string[] = []
  readonly #latest = new Map<string, string>()
  #nextLatestMs = 0
  #isEnded = false
  #ring: () => void = () => undefined
  #onRoom: () => void = () => undefined

  push(...frames: readonly string[]): void {
    this.#frames.push(...frames)
    this.#ring()
  }

  /** Takes the place of the one of this name that is not written yet. */
  setLatest(name: string, text: string): void {
    this.#latest.set(name, text)
    this.#ring()
  }

  /** Puts what is the latest where it is now, before what will be pushed. */
  flushLatest(): void {
    this.#frames.push(...this.#latest.values())
    this.#latest.clear()
  }

  /** Nothing more comes; what was pushed is still written. */
  end(...last: readonly string[]): void {
    this.#frames.push(...last)
    this.#isEnded = true
    this.#ring()
    this.#onRoom()
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  /** Resolves when few frames wait, or it has ended. For one maker at a time. */
  async room(): Promise<void> {
    while (this.#frames.length >= MAX_FRAMES && !this.#isEnded) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#onRoom = resolve
      await promise
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    let beatMs = performance.now() + HEARTBEAT_MS
    for (;;) {
      const now = performance.now()
      const text = this.#take(now) ?? (now >= beatMs ? HEARTBEAT : null)
      if (text !== null) {
        yield text
        beatMs = performance.now() + HEARTBEAT_MS
      } else if (this.#isEnded) return
      else await this.#bell((this.#latest.size > 0 ? Math.min(this.#nextLatestMs, beatMs) : beatMs) - now)
    }
  }

  #take(now: number): string | null {
    if (this.#frames.length > 0) {
      const text = this.#frames.join('')
      this.#frames = []
      this.#onRoom()
      return text
    }
    if (this.#latest.size === 0 || this.#isEnded || now < this.#nextLatestMs) return null
    this.#nextLatestMs = now + LATEST_INTERVAL_MS
    const text = [...this.#latest.values()].join('')
    this.#latest.clear()
    return text
  }

  async #bell(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#ring = resolve
    const timer = setTimeout(resolve, ms)
    await promise
    clearTimeout(timer)
  }
}
