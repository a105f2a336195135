import type { ClaimOptions, Places } from './store.ts'

/** The places that a claim has left, over all and for each model. A short job takes an ordinary place while there is one, else an express one. */
export class Room {
  readonly #over: Remaining
  readonly #of: ReadonlyMap<string, Remaining> | null

  constructor({ atMost, places }: Pick<ClaimOptions, 'atMost' | 'places'>) {
    this.#over = { ...atMost }
    this.#of = places && new Map([...places].map(([model, most]) => [model, { ...most }]))
  }

  /** How many jobs of the model fit; of any model where it is null. */
  places(model: string | null, isExpress: boolean): number {
    const over = total(this.#over, isExpress)
    if (this.#of === null || model === null) return over
    return Math.min(over, total(this.#of.get(model), isExpress))
  }

  /** The models that are not full; null: any. */
  models(isExpress: boolean): readonly string[] | null {
    return this.#of && [...this.#of.keys()].filter((model) => this.places(model, isExpress) > 0)
  }

  take(model: string): void {
    for (const places of [this.#over, this.#of?.get(model)]) {
      if (places === undefined) continue
      if (places.ordinary > 0) places.ordinary -= 1
      else places.express -= 1
    }
  }
}

type Remaining = { -readonly [Kind in keyof Places]: Places[Kind] }

function total(places: Places | undefined, isExpress: boolean): number {
  if (places === undefined) return 0
  return isExpress ? places.ordinary + places.express : places.ordinary
}
