import type { ClaimOptions, Places } from '../job-store.ts'

/** What a job needs a place for. */
export interface Guest {
  readonly model: string
  readonly isExpress: boolean
  readonly keyId: string
  /** How many jobs its key may have running; null: any number. */
  readonly mostRunning: number | null
}

/**
 * The places that a claim has left: over all, of each model, and of each key. A short job takes an ordinary place while there is one, else
 * an express one.
 */
export class Room {
  readonly #over: Remaining
  readonly #ofModels: ReadonlyMap<string, Remaining> | null
  /** Jobs that run, by key. */
  #running: Map<string, number>

  constructor(
    { atMost, places }: Pick<ClaimOptions, 'atMost' | 'places'>,
    running: ReadonlyMap<string, number> = new Map(),
  ) {
    this.#over = { ...atMost }
    this.#ofModels = places && new Map([...places].map(([model, most]) => [model, { ...most }]))
    this.#running = new Map(running)
  }

  /** To try something out. */
  copy(): Room {
    return new Room({ atMost: this.#over, places: this.#ofModels }, this.#running)
  }

  /** Places of any kind, over all. */
  get left(): number {
    return count(this.#over, true)
  }

  /** The models that have places left; null: any. */
  models(isExpress: boolean): readonly string[] | null {
    if (count(this.#over, isExpress) === 0) return []
    return this.#ofModels && [...this.#ofModels.keys()].filter((model) => this.#hasPlace(model, isExpress))
  }

  fits({ model, isExpress, keyId, mostRunning }: Guest): boolean {
    if (count(this.#over, isExpress) === 0 || !this.#hasPlace(model, isExpress)) return false
    return mostRunning === null || (this.#running.get(keyId) ?? 0) < mostRunning
  }

  take({ model, keyId }: Guest): void {
    for (const places of [this.#over, this.#ofModels?.get(model)]) {
      if (places === undefined) continue
      if (places.ordinary > 0) places.ordinary -= 1
      else places.express -= 1
    }
    this.#running.set(keyId, (this.#running.get(keyId) ?? 0) + 1)
  }

  /** What the database says of keys, this claim's own jobs included. */
  see(running: ReadonlyMap<string, number>): void {
    this.#running = new Map(running)
  }

  #hasPlace(model: string, isExpress: boolean): boolean {
    return this.#ofModels === null || count(this.#ofModels.get(model), isExpress) > 0
  }
}

type Remaining = { -readonly [Kind in keyof Places]: Places[Kind] }

function count(places: Places | undefined, isExpress: boolean): number {
  if (places === undefined) return 0
  return Math.max(0, isExpress ? places.ordinary + places.express : places.ordinary)
}
