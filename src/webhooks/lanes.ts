/** Requests to receivers that are under way at the same time, in this process. */
const MAX_REQUESTS = 64
const MAX_REQUESTS_PER_KEY = 16
const MAX_REQUESTS_PER_QUEUE = 8
/** A receiver that answers with `Retry-After` is left alone for no longer: its other paths may work. */
const MAX_HOLD_MS = 60_000
/** Of queues that ail; when there are more, all count as well again. */
const MAX_REMEMBERED = 10_000

interface Lane {
  readonly queue: string
  readonly keyId: string
}

/**
 * How many deliveries of each queue may be under way. A receiver that does not answer holds one place until it does, so that it delays
 * nobody: other hosts have other queues, and no key has all places.
 */
export class Lanes {
  readonly #byQueue = new Map<string, number>()
  readonly #byKey = new Map<string, number>()
  /** Queues whose receiver gave no answer, or is too busy → until when they are left alone, by `performance.now`. */
  readonly #ailing = new Map<string, number>()
  #all = 0

  /** How many more of them may begin now. */
  room({ queue, keyId }: Lane): number {
    const heldUntilMs = this.#ailing.get(queue)
    if (heldUntilMs !== undefined && heldUntilMs > performance.now()) return 0
    const most = heldUntilMs === undefined ? MAX_REQUESTS_PER_QUEUE : 1
    return Math.max(
      0,
      Math.min(
        MAX_REQUESTS - this.#all,
        MAX_REQUESTS_PER_KEY - (this.#byKey.get(keyId) ?? 0),
        most - (this.#byQueue.get(queue) ?? 0),
      ),
    )
  }

  enter({ queue, keyId }: Lane, deliveries: number): void {
    this.#count(queue, keyId, deliveries)
  }

  leave({ queue, keyId }: Lane, deliveries: number): void {
    this.#count(queue, keyId, -deliveries)
  }

  /** What the receiver of a queue did last. */
  note(queue: string, isWell: boolean, retryAfterMs: number | null): void {
    if (isWell) {
      this.#ailing.delete(queue)
      return
    }
    if (this.#ailing.size >= MAX_REMEMBERED) this.#ailing.clear()
    this.#ailing.set(queue, performance.now() + Math.min(retryAfterMs ?? 0, MAX_HOLD_MS))
  }

  #count(queue: string, keyId: string, more: number): void {
    this.#all += more
    add(this.#byQueue, queue, more)
    add(this.#byKey, keyId, more)
  }
}

function add(counts: Map<string, number>, name: string, more: number): void {
  const count = (counts.get(name) ?? 0) + more
  if (count === 0) counts.delete(name)
  else counts.set(name, count)
}
