import type { Dimensions } from '../weights/whisper-weights.ts'
import { CellSlot } from './cell-slot.ts'
import { Cells } from './cells.ts'
import { HIDDEN } from './device-cells.ts'
import { readingOf } from './reading.ts'
import type { Reading, StepOutputs } from './reading.ts'
import type { ReadOptions } from './slot.ts'

/** The decoder as its slots see it. */
export interface DeviceSlotDecoder {
  readonly dimensions: Pick<Dimensions, 'nTextCtx'>
  encode(mel: Float32Array, slot: number): Promise<Float32Array>
  read(reading: Reading<DeviceSlot>): Promise<StepOutputs>
  close(slot: DeviceSlot): void
}

/** A slot whose caches lie on the device; which cells its sequences see is known here. */
export class DeviceSlot extends CellSlot {
  /** Where its caches lie. */
  readonly index: number
  readonly #decoder: DeviceSlotDecoder

  constructor(decoder: DeviceSlotDecoder, index: number, capacity: number) {
    super(new Cells(capacity, HIDDEN))
    this.#decoder = decoder
    this.index = index
  }

  async encode(mel: Float32Array): Promise<Float32Array> {
    this.restart()
    return await this.#decoder.encode(mel, this.index)
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
