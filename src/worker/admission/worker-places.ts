import type { Places } from '../../jobs/job-store.ts'

export interface WorkerPlacesOptions {
  /** Jobs that run at the same time. */
  readonly places: number
  /** How many more run if they are short: a voice note does not wait until a long one has ended. */
  readonly expressPlaces: number
}

/** The places that a worker has for jobs, whatever they run in. */
export class WorkerPlaces {
  readonly #options: WorkerPlacesOptions
  #taken = 0

  constructor(options: WorkerPlacesOptions) {
    this.#options = options
  }

  /** Those that nobody has. */
  get free(): Places {
    const { places, expressPlaces } = this.#options
    const ordinary = Math.max(0, places - this.#taken)
    return { ordinary, express: Math.max(0, places + expressPlaces - this.#taken - ordinary) }
  }

  /** Takes one until it is disposed. */
  take(): Disposable {
    this.#taken += 1
    let isTaken = true
    return {
      [Symbol.dispose]: () => {
        if (isTaken) this.#taken -= 1
        isTaken = false
      },
    }
  }
}

/** Whether there is a place, for a short job or for any. */
export function isAny(places: Places | undefined, isShort: boolean): boolean {
  return places !== undefined && places.ordinary + (isShort ? places.express : 0) > 0
}
