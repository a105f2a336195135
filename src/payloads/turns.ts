import { PayloadError } from './errors.ts'
import type { PayloadKey } from './store.ts'

/** What whoever works on an upload is given. */
export interface Turn {
  /** Aborts with `payload.superseded` when somebody else wants the turn: what waits for its client shall end then. */
  readonly signal: AbortSignal
  /** Where the upload's next byte goes; undefined where nobody shall be told. */
  position: number | undefined
}

interface Holder extends Turn {
  readonly stop: () => void
  readonly ended: Promise<void>
}

/** One at a time for each upload, of whom the last to come is the likeliest to have a client that still lives. */
export class Turns {
  readonly #holders = new Map<PayloadKey, Holder>()

  /** Runs an action when the ones before it on the same upload, which are asked to stop, have ended. */
  async take<T>(key: PayloadKey, action: (turn: Turn) => Promise<T>): Promise<T> {
    for (let other = this.#holders.get(key); other !== undefined; other = this.#holders.get(key)) {
      other.stop()
      await other.ended
    }
    const abort = new AbortController()
    const { promise: ended, resolve: end } = Promise.withResolvers<void>()
    const holder: Holder = { signal: abort.signal, position: undefined, stop: () => abort.abort(superseded()), ended }
    this.#holders.set(key, holder)
    try {
      return await action(holder)
    } finally {
      this.#holders.delete(key)
      end()
    }
  }

  isTaken(key: PayloadKey): boolean {
    return this.#holders.has(key)
  }

  /** Where the next byte of an upload goes that somebody works on; undefined when nobody does. */
  position(key: PayloadKey): number | undefined {
    return this.#holders.get(key)?.position
  }
}

function superseded(): PayloadError {
  return new PayloadError(
    'payload.superseded',
    'Another request took this upload over. Ask where it goes on, then send the rest.',
  )
}
