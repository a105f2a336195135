import type { Logger } from 'pino'

/** What shares the cores: it computes unless it is paused. */
export interface Computer {
  /** Resolves when it has stopped computing. */
  pause(): Promise<void>
  resume(): void
}

/** Round robin's quantum: short enough that nobody waits long, long enough that the caches of the processor are worth filling. */
const QUANTUM_MS = 5000

/**
 * Lets no more engines compute at the same time than there are cores for; when more have something to do, they share the cores round robin,
 * and hand them on between two windows.
 */
export class Computing implements Disposable {
  readonly #limit: number
  readonly #quantumMs: number
  readonly #logger: Logger
  readonly #computing: Computer[] = []
  readonly #paused: Computer[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(options: { readonly limit: number; readonly logger: Logger; readonly quantumMs?: number }) {
    this.#limit = options.limit
    this.#logger = options.logger
    this.#quantumMs = options.quantumMs ?? QUANTUM_MS
  }

  /** It has something to compute from now on. */
  join(computer: Computer): void {
    if (this.#computing.length < this.#limit) {
      this.#computing.push(computer)
      computer.resume()
      return
    }
    this.#own(computer.pause())
    this.#paused.push(computer)
    this.#schedule()
  }

  /** It has nothing to compute any more. */
  leave(computer: Computer): void {
    remove(this.#paused, computer)
    if (remove(this.#computing, computer)) this.#next()
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }

  #next(): void {
    const next = this.#paused.shift()
    if (next === undefined) return
    this.#computing.push(next)
    next.resume()
  }

  async #rotate(): Promise<void> {
    this.#timer = undefined
    const longest = this.#computing[0]
    if (this.#paused.length === 0 || longest === undefined) return
    await longest.pause()
    if (remove(this.#computing, longest)) {
      // It may have left and come again while it was being paused.
      this.#own(longest.pause())
      this.#paused.push(longest)
      this.#next()
    }
    if (this.#paused.length > 0) this.#schedule()
  }

  #schedule(): void {
    this.#timer ??= setTimeout(() => this.#own(this.#rotate()), this.#quantumMs)
  }

  #own(pausing: Promise<void>): void {
    pausing.catch((error: unknown) => this.#logger.error({ err: error }, 'an engine could not be paused'))
  }
}

function remove(computers: Computer[], computer: Computer): boolean {
  const index = computers.indexOf(computer)
  if (index === -1) return false
  computers.splice(index, 1)
  return true
}
