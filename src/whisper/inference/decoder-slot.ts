import { Cells } from './cells.ts'
import type { Decoder } from './decoder.ts'
import type { StepOutputs } from './decoder-step.ts'
import { readingOf } from './reading.ts'
import type { Alignment, ReadOptions, Scores, Slot } from './slot.ts'

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
    const outputs = await this.#read(tokens, logitsAt, options, false)
    this.#keep(tokens.length / this.cells.sequences, outputs)
    return outputs
  }

  async align(tokens: readonly number[], logitsAt: readonly number[]): Promise<Alignment> {
    this.restart()
    const { logits, heads } = await this.#read(tokens, logitsAt, { wantsLogits: true }, true)
    return { logits, heads }
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

  /** Keeps what was read, in free cells. */
  #keep(t: number, { keysValues, firstRow, rows }: StepOutputs): void {
    const { cells } = this
    const { caches } = this.#decoder
    const count = t * cells.sequences
    let free = cells.free(count)
    while (free.length < count) {
      this.#decoder.grow()
      free = cells.free(count)
    }
    for (const [layer, { pastKey, pastValue }] of caches.layers.entries()) {
      caches.write(pastKey, keysValues, 2 * layer * rows + firstRow, this.index, free)
      caches.write(pastValue, keysValues, (2 * layer + 1) * rows + firstRow, this.index, free)
    }
    for (let sequence = 0; sequence < cells.sequences; sequence++) {
      cells.show(sequence, free.slice(sequence * t, (sequence + 1) * t))
    }
    this.#length += t
  }
}
