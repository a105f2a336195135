import { PayloadError } from './errors.ts'

/** Disposing it lets the next one in. */
export interface MutexHold extends Disposable {
  /** Aborts with `payload.superseded` when somebody else wants the key: what waits for its client is to end then. */
  readonly signal: AbortSignal
}

interface Holder {
  readonly preempt: () => void
  readonly released: Promise<void>
}

/** A mutex for each upload, with preemption: the last to come is the likeliest to have a client that still lives. */
export class KeyedMutex {
  readonly #holders = new Map<string, Holder>()

  /** Resolves when those before it on the same key, whose signals abort, have let go of it. */
  async acquire(key: string): Promise<MutexHold> {
    for (let other = this.#holders.get(key); other !== undefined; other = this.#holders.get(key)) {
      other.preempt()
      await other.released
    }
    const abort = new AbortController()
    const { promise: released, resolve } = Promise.withResolvers<void>()
    const holder = { preempt: () => abort.abort(superseded()), released }
    this.#holders.set(key, holder)
    const release = (): void => {
      if (this.#holders.get(key) === holder) this.#holders.delete(key)
      resolve()
    }
    return { signal: abort.signal, [Symbol.dispose]: release }
  }

  isHeld(key: string): boolean {
    return this.#holders.has(key)
  }
}

function superseded(): PayloadError {
  return new PayloadError(
    'payload.superseded',
    'A later request took this upload over. Leave it to that one, or ask where the upload goes on.',
  )
}
