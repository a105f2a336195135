export const VISIBLE = 0
const HIDDEN = Number.NEGATIVE_INFINITY

/**
 * Which cells of a window's cache each of its sequences sees. What sequences have in common lies in cells that they share, so a
 * sequence goes on from another one by seeing what that one sees; a cell that nobody sees is free.
 */
export class Cells {
  /** One a sequence, [capacity]: what is added to the scores of its attention. */
  #masks: Float32Array[]
  readonly #hidden: number

  /** @param hidden added to the score of a cell that is not seen */
  constructor(capacity: number, hidden = HIDDEN) {
    this.#hidden = hidden
    this.#masks = [new Float32Array(capacity).fill(hidden)]
  }

  get sequences(): number {
    return this.#masks.length
  }

  get capacity(): number {
    return this.#masks[0]?.length ?? 0
  }

  maskOf(sequence: number): Float32Array {
    const mask = this.#masks[sequence]
    if (mask === undefined) throw new RangeError(`there is no sequence ${sequence}`)
    return mask
  }

  /** One sequence, which has read nothing. */
  clear(): void {
    this.#masks = [new Float32Array(this.capacity).fill(this.#hidden)]
  }

  /** Goes on with other sequences, each of which sees what its parent sees. */
  rearrange(parents: readonly number[]): void {
    if (parents.length === this.sequences && parents.every((parent, index) => parent === index)) return
    this.#masks = parents.map((parent) => this.maskOf(parent).slice())
  }

  /** Cells that no sequence sees, at most `count`. */
  free(count: number): readonly number[] {
    const free: number[] = []
    for (let cell = 0; cell < this.capacity && free.length < count; cell++) {
      if (this.#masks.every((mask) => mask[cell] === this.#hidden)) free.push(cell)
    }
    return free
  }

  show(sequence: number, cells: readonly number[]): void {
    const mask = this.maskOf(sequence)
    for (const cell of cells) mask[cell] = VISIBLE
  }

  grow(capacity: number): void {
    this.#masks = this.#masks.map((mask) => {
      const larger = new Float32Array(capacity).fill(this.#hidden)
      larger.set(mask)
      return larger
    })
  }
}

/** [t·count, t·count]: rows of `count` sequences, t each, which see what comes before them in their own sequence, and themselves. */
export function maskOfRows(count: number, t: number): Float32Array {
  const n = count * t
  const mask = new Float32Array(n * n).fill(HIDDEN)
  for (let row = 0; row < n; row++) mask.fill(VISIBLE, row * n + row - (row % t), row * n + row + 1)
  return mask
}
