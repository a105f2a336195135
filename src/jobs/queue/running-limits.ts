/** Recordings of one key that are fetched at the same time, by all workers: so many servers that answer slowly keep nobody else's waiting. */
export const FETCHES_PER_KEY = 8

/** How many jobs of a key may run at the same time. */
export class RunningLimits {
  /** Of keys without a limit of their own; null: any number. */
  readonly ofServer: number | null
  #haveKeys = false

  constructor(ofServer: number | null) {
    this.ofServer = ofServer
  }

  /** Whether any key has a limit, as far as it is known: each look at the queue says whether that has changed. */
  get isAny(): boolean {
    return this.ofServer !== null || this.#haveKeys
  }

  /** @param haveKeys whether some key has a limit of its own */
  see(haveKeys: boolean): void {
    this.#haveKeys = haveKeys
  }
}
