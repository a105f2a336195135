import type { Logger } from 'pino'

/** Who takes turns: it computes unless it is paused. */
export interface Player {
  /** Resolves when it has stopped computing. */
  pause(): Promise<void>
  resume(): void
}

/** Short enough that nobody waits long, long enough that the caches of the processor are worth filling. */
const TURN_MS = 5000

/**
 * Lets no more engines compute at the same time than there are cores for; when more have something to do, they take turns, window by
 * window.
 */
export class Turns implements Disposable {
  readonly #limit: number
  readonly #turnMs: number
  readonly #logger: Logger
  readonly #playing: Player[] = []
  readonly #waiting: Player[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(options: { readonly limit: number; readonly logger: Logger; readonly turnMs?: number }) {
    this.#limit = options.limit
    this.#logger = options.logger
    this.#turnMs = options.turnMs ?? TURN_MS
  }

  /** It has something to do from now on. */
  join(player: Player): void {
    if (this.#playing.length < this.#limit) {
      this.#playing.push(player)
      player.resume()
      return
    }
    this.#own(player.pause())
    this.#waiting.push(player)
    this.#schedule()
  }

  /** It has nothing to do any more. */
  leave(player: Player): void {
    remove(this.#waiting, player)
    if (remove(this.#playing, player)) this.#next()
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }

  #next(): void {
    const next = this.#waiting.shift()
    if (next === undefined) return
    this.#playing.push(next)
    next.resume()
  }

  async #rotate(): Promise<void> {
    this.#timer = undefined
    const longest = this.#playing[0]
    if (this.#waiting.length === 0 || longest === undefined) return
    await longest.pause()
    if (remove(this.#playing, longest)) {
      // It may have left and come again while it was being paused.
      this.#own(longest.pause())
      this.#waiting.push(longest)
      this.#next()
    }
    if (this.#waiting.length > 0) this.#schedule()
  }

  #schedule(): void {
    this.#timer ??= setTimeout(() => this.#own(this.#rotate()), this.#turnMs)
  }

  #own(pausing: Promise<void>): void {
    pausing.catch((error: unknown) => this.#logger.error({ err: error }, 'an engine could not be paused'))
  }
}

function remove(players: Player[], player: Player): boolean {
  const index = players.indexOf(player)
  if (index === -1) return false
  players.splice(index, 1)
  return true
}
