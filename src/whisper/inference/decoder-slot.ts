import { Cells } from './cells.ts'
import type { Decoder } from './decoder.ts'
import { readingOf } from './reading.ts'
import type { StepOutputs } from './reading.ts'
import type { Alignment, ReadOptions, Scores, Slot } from './slot.ts'

/** Keys and values that a step has made of all rows that it read. */
export interface RowsOfStep {
  /** [layers, 2, rows, nState]; valid until the step is answered. */
  readonly keysValues: Float32Array
  readonly rows: number
  /** The first one that is the slot's. */
  readonly firstRow: number
}

export class DecoderSlot implements Slot {
  readonly cells: Cells
  /** Where its caches lie; changes when another slot is closed. */
  index: number
  readonly #decoder: Decoder
  #length = 0

  constructor(decoder: Decoder, index: number) {
    this.#decoder = decoder
    this.index = index
    this.cells = new Cells(decoder.caches.cells)
  }

  get length(): number {
    return this.#length
  }

  async encode(mel: Float32Array): Promise<Float32Array> {
    this.restart()
    return await this.#decoder.encode(mel, this)
  }

  restart(): void {
    this.cells.clear()
    this.#length = 0
  }

  rearrange(parents: readonly number[]): void {
    this.cells.rearrange(parents)
  }

  async read(tokens: readonly number[], logitsAt: readonly number[], options: ReadOptions = {}): Promise<Scores> {
    return await this.#read(tokens, logitsAt, options, false)
  }

  async align(tokens: readonly number[], logitsAt: readonly number[]): Promise<Alignment> {
    this.restart()
    const { logits, heads } = await this.#read(tokens, logitsAt, { wantsLogits: true }, true)
    return { logits, heads }
  }

  /** Keeps what a step has read for it, `count` tokens of all its sequences together, in free cells. */
  keep(count: number, { keysValues, firstRow, rows }: RowsOfStep): void {
    const { cells } = this
    const { caches } = this.#decoder
    let free = cells.free(count)
    while (free.length < count) {
      this.#decoder.grow()
      free = cells.free(count)
    }
    for (const [layer, { pastKey, pastValue }] of caches.layers.entries()) {
      caches.write(pastKey, keysValues, 2 * layer * rows + firstRow, this.index, free)
      caches.write(pastValue, keysValues, (2 * layer + 1) * rows + firstRow, this.index, free)
    }
    const t = count / cells.sequences
    for (let sequence = 0; sequence < cells.sequences; sequence++) {
      cells.show(sequence, free.slice(sequence * t, (sequence + 1) * t))
    }
    this.#length += t
  }

  [Symbol.dispose](): void {
    this.#decoder.close(this)
  }

  async #read(
    tokens: readonly number[],
    logitsAt: readonly number[],
    options: ReadOptions,
    isAlignment: boolean,
  ): Promise<StepOutputs> {
    const most = this.#decoder.dimensions.nTextCtx
    return await this.#decoder.read(readingOf(this, tokens, logitsAt, { ...options, isAlignment, most }))
  }
}
