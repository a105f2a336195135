import type { Dimensions } from '../weights/whisper-weights.ts'
import type { Caches } from './caches.ts'
import { CellSlot } from './cell-slot.ts'
import { Cells } from './cells.ts'
import { readingOf } from './reading.ts'
import type { Reading, StepOutputs } from './reading.ts'
import type { ReadOptions } from './slot.ts'

/** Keys and values that a step has made of all rows that it read. */
export interface RowsOfStep {
  /** [layers, 2, rows, nState]; valid until the step is answered. */
  readonly keysValues: Float32Array
  readonly rows: number
  /** The first one that is the slot's. */
  readonly firstRow: number
}

/** The decoder as its slots see it. */
export interface SlotDecoder {
  readonly dimensions: Pick<Dimensions, 'nTextCtx'>
  readonly caches: Caches
  encode(mel: Float32Array, slot: DecoderSlot): Promise<Float32Array>
  read(reading: Reading<DecoderSlot>): Promise<StepOutputs>
  /** Makes room for more cells in each slot. */
  grow(): void
  close(slot: DecoderSlot): void
}

export class DecoderSlot extends CellSlot {
  /** Where its caches lie; changes when another slot is closed. */
  index: number
  readonly #decoder: SlotDecoder

  constructor(decoder: SlotDecoder, index: number) {
    super(new Cells(decoder.caches.cells))
    this.#decoder = decoder
    this.index = index
  }

  async encode(mel: Float32Array): Promise<Float32Array> {
    this.restart()
    return await this.#decoder.encode(mel, this)
  }

  /** Keeps what a step has read for it, `count` tokens of all its sequences together, in free cells. */
  keep(count: number, { keysValues, firstRow, rows }: RowsOfStep): void {
    const { caches } = this.#decoder
    let free = this.cells.free(count)
    while (free.length < count) {
      this.#decoder.grow()
      free = this.cells.free(count)
    }
    for (const [layer, { pastKey, pastValue }] of caches.layers.entries()) {
      caches.write(pastKey, keysValues, 2 * layer * rows + firstRow, this.index, free)
      caches.write(pastValue, keysValues, (2 * layer + 1) * rows + firstRow, this.index, free)
    }
    this.show(free)
  }

  [Symbol.dispose](): void {
    this.#decoder.close(this)
  }

  protected async ask(
    tokens: readonly number[],
    logitsAt: readonly number[],
    options: ReadOptions & { readonly isAlignment: boolean },
  ): Promise<StepOutputs> {
    const most = this.#decoder.dimensions.nTextCtx
    return await this.#decoder.read(readingOf(this, tokens, logitsAt, { ...options, most }))
  }
}
