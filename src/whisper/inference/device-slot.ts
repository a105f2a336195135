import { Cells } from './cells.ts'
import { HIDDEN } from './device-cells.ts'
import type { DeviceDecoder } from './device-decoder.ts'
import { readingOf } from './reading.ts'
import type { StepOutputs } from './reading.ts'
import type { Alignment, ReadOptions, Scores, Slot } from './slot.ts'

/** A slot whose caches lie on the device; which cells its sequences see is known here. */
export class DeviceSlot implements Slot {
  readonly cells: Cells
  /** Where its caches lie. */
  readonly index: number
  readonly #decoder: DeviceDecoder
  #length = 0

  constructor(decoder: DeviceDecoder, index: number, capacity: number) {
    this.#decoder = decoder
    this.index = index
    this.cells = new Cells(capacity, HIDDEN)
  }

  get length(): number {
    return this.#length
  }

  async encode(mel: Float32Array): Promise<Float32Array> {
    this.restart()
    return await this.#decoder.encode(mel, this.index)
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
    return await this.#read(tokens, logitsAt, { wantsLogits: true }, true)
  }

  /** Its sequences have read t tokens each, whose keys and values are kept in these cells, [sequences, t]. */
  keep(cells: readonly number[]): void {
    const { sequences } = this.cells
    const t = cells.length / sequences
    for (let sequence = 0; sequence < sequences; sequence++) {
      this.cells.show(sequence, cells.slice(sequence * t, (sequence + 1) * t))
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
