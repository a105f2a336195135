import { ApiError } from '../errors/api-error.ts'

/** One API key's share of all, so that slow bodies of one client do not turn away the others. */
const SHARE = 3 / 4

/** Counts bytes that requests hold, all of them together and those of each key, until each has been answered. */
export class BytesInFlight {
  readonly #max: number
  readonly #ofKeys = new Map<string, number>()
  #bytes = 0

  constructor(max: number) {
    this.#max = max
  }

  /**
   * What one request holds; it is to be disposed of when that has been answered.
   * @param request whose `owner` is known by the time that it takes something
   */
  hold(request: { readonly owner: string }): Hold {
    let held = 0
    const add = (owner: string, bytes: number): void => {
      this.#bytes += bytes
      held += bytes
      const ofKey = (this.#ofKeys.get(owner) ?? 0) + bytes
      if (ofKey === 0) this.#ofKeys.delete(owner)
      else this.#ofKeys.set(owner, ofKey)
    }
    return {
      take: (bytes) => {
        const ofKey = this.#ofKeys.get(request.owner) ?? 0
        if (this.#bytes + bytes > this.#max || ofKey + bytes > SHARE * this.#max) {
          throw new ApiError(503, 'The server has as many bytes of requests in hand as it takes. Try again later.')
        }
        add(request.owner, bytes)
      },
      [Symbol.dispose]: () => add(request.owner, -held),
    }
  }
}

export interface Hold extends Disposable {
  /** @throws ApiError 503 when it would be more than all may have */
  readonly take: (bytes: number) => void
}
