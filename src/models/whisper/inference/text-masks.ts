export const FORBIDDEN = Number.NEGATIVE_INFINITY
/** Low enough to have no probability, whatever is added; finite, since shaders may be compiled as if there were no infinity. */
const UNRANKED = -1e30

/** The masks of suppressed tokens in the two forms that a device needs: as a table to be added there, and as a list for what it returns. */
export class TextMasks {
  readonly #nVocab: number
  readonly #timestampBegin: number
  readonly #none: Float32Array
  readonly #tables = new WeakMap<Float32Array, Float32Array>()
  readonly #lists = new WeakMap<Float32Array, readonly number[]>()

  /** @param timestampBegin id of `<|0.00|>` */
  constructor(nVocab: number, timestampBegin: number) {
    this.#nVocab = nVocab
    this.#timestampBegin = timestampBegin
    this.#none = new Float32Array(nVocab)
  }

  /** [nVocab], to be added where text tokens are ranked: hides the timestamps and what the mask hides. */
  ofText(mask: Float32Array = this.#none): Float32Array {
    const known = this.#tables.get(mask)
    if (known !== undefined) return known
    const table = new Float32Array(this.#nVocab).fill(UNRANKED, this.#timestampBegin)
    for (const token of this.#listOf(mask)) table[token] = UNRANKED
    this.#tables.set(mask, table)
    return table
  }

  /** @param logits [k, nVocab − first], of the ids from `first` on, in place */
  apply(logits: Float32Array, mask: Float32Array | undefined, first = 0): void {
    if (mask === undefined) return
    const tokens = this.#listOf(mask).filter((token) => token >= first)
    for (let row = 0; row < logits.length; row += this.#nVocab - first) {
      for (const token of tokens) logits[row + token - first] = FORBIDDEN
    }
  }

  /** What was ranked although the mask hides it, since there was nothing else. */
  applyToRanked(logits: Float32Array): void {
    for (const [index, logit] of logits.entries()) if (logit <= UNRANKED / 2) logits[index] = FORBIDDEN
  }

  #listOf(mask: Float32Array): readonly number[] {
    const known = this.#lists.get(mask)
    if (known !== undefined) return known
    const list = [...mask.keys()].filter((token) => mask[token] === FORBIDDEN)
    this.#lists.set(mask, list)
    return list
  }
}
