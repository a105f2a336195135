import { ApiError } from '../errors.ts'

/** Counts bytes that requests hold, all of them together, until each has been answered. */
export class BytesInFlight {
  readonly #max: number
  #bytes = 0

  constructor(max: number) {
    this.#max = max
  }

  /** What one request holds; it is to be disposed of when that has been answered. */
  hold(): Hold {
    let held = 0
    return {
      take: (bytes) => {
        if (this.#bytes + bytes > this.#max) {
          throw new ApiError(503, 'The server has as many bytes of requests in hand as it takes. Try again later.')
        }
        this.#bytes += bytes
        held += bytes
      },
      [Symbol.dispose]: () => {
        this.#bytes -= held
        held = 0
      },
    }
  }
}

export interface Hold extends Disposable {
  /** @throws ApiError 503 when it would be more than all may have */
  readonly take: (bytes: number) => void
}
