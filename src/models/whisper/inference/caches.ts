import type { Dimensions } from '../weights/whisper-weights.ts'
import { release } from '../../../speech/inference/release.ts'

/** Cells are added by so many, since a new number of them moves all caches. */
const CELLS_PER_BLOCK = 64

/** The caches of one decoder layer, for all slots: [slots, heads, …], so that slots that follow each other are one tensor. */
export interface LayerCaches {
  /** [slots, heads, cells, headWidth]. */
  pastKey: Float32Array
  pastValue: Float32Array
  /** [slots, heads, nAudioCtx, headWidth]. */
  readonly crossKey: Float32Array
  /** [slots, heads, headWidth, nAudioCtx]. */
  readonly crossValue: Float32Array
}

/**
 * Keys and values for as many windows as there are slots. The operating system gives the memory page by page when it is first
 * written to, so that slots which are never used cost nothing.
 */
export class Caches {
  readonly layers: readonly LayerCaches[]
  readonly heads: number
  readonly headWidth: number
  /** Of the encoded window: nAudioCtx. */
  readonly positions: number
  readonly #slots: number
  #cells = CELLS_PER_BLOCK

  constructor({ nState, nTextHead, nTextLayer, nAudioCtx }: Dimensions, slots: number) {
    this.heads = nTextHead
    this.headWidth = nState / nTextHead
    this.positions = nAudioCtx
    this.#slots = slots
    const past = (): Float32Array => new Float32Array(slots * nState * this.#cells)
    const cross = (): Float32Array => new Float32Array(slots * nState * nAudioCtx)
    this.layers = Array.from({ length: nTextLayer }, () => ({
      pastKey: past(),
      pastValue: past(),
      crossKey: cross(),
      crossValue: cross(),
    }))
  }

  /** Cells of each slot. */
  get cells(): number {
    return this.#cells
  }

  /** @param slots the first ones, which are in use; what lies in the others is not copied, which would make memory of it */
  grow(slots: number): void {
    const cells = this.#cells + CELLS_PER_BLOCK
    const [from, to] = [this.#cells * this.headWidth, cells * this.headWidth]
    const moved = (old: Float32Array): Float32Array => {
      const larger = new Float32Array(this.#slots * this.heads * to)
      for (let head = 0; head < slots * this.heads; head++) {
        larger.set(old.subarray(head * from, (head + 1) * from), head * to)
      }
      release(old)
      return larger
    }
    for (const layer of this.layers) {
      layer.pastKey = moved(layer.pastKey)
      layer.pastValue = moved(layer.pastValue)
    }
    this.#cells = cells
  }

  /**
   * Keeps the keys or values of rows in cells.
   * @param rows [n, nState], row-major; those that are kept begin at `firstRow`
   */
  write(past: Float32Array, rows: Float32Array, firstRow: number, slot: number, cells: readonly number[]): void {
    const { heads, headWidth } = this
    let from = firstRow * heads * headWidth
    for (const cell of cells) {
      for (let head = 0; head < heads; head++) {
        const to = ((slot * heads + head) * this.#cells + cell) * headWidth
        for (let i = 0; i < headWidth; i++) past[to + i] = rows[from + i]!
        from += headWidth
      }
    }
  }

  /** Copies a slot's caches to another one. */
  move(from: number, to: number): void {
    for (const { pastKey, pastValue, crossKey, crossValue } of this.layers) {
      for (const cache of [pastKey, pastValue, crossKey, crossValue]) {
        const length = cache.length / this.#slots
        cache.copyWithin(to * length, from * length, (from + 1) * length)
      }
    }
  }
}
