import { setImmediate as nextTurn } from 'node:timers/promises'
import type { InferenceSession } from 'onnxruntime-node'
import type { Dimensions } from '../checkpoint/checkpoint.ts'
import { Caches } from './caches.ts'
import type { LayerCaches } from './caches.ts'
import { DecoderSlot } from './decoder-slot.ts'
import { DecoderStep } from './decoder-step.ts'
import type { Reading } from './decoder-step.ts'
import type { Slot } from './slot.ts'

/** Encodes into a slot's part of the caches. */
export type Encode = (mel: Float32Array, layers: readonly LayerCaches[], slot: number) => Promise<Float32Array>

/**
 * The decoder, and slots for the windows that it decodes, of one recording or of several. What their sequences ask for at the same
 * time is read in one step (continuous batching: windows that are done leave, new ones join): a step mostly reads weights, whatever
 * the number of its rows.
 */
export class Decoder implements AsyncDisposable {
  readonly dimensions: Dimensions
  readonly caches: Caches
  readonly #session: InferenceSession
  readonly #step: DecoderStep
  readonly #encode: Encode
  readonly #slots: DecoderSlot[] = []
  readonly #capacity: number
  #readings: Reading[] = []
  #isRunning = false

  /** @param slots windows that can be decoded at the same time */
  constructor(session: InferenceSession, dimensions: Dimensions, slots: number, encode: Encode) {
    this.#session = session
    this.dimensions = dimensions
    this.caches = new Caches(dimensions, slots)
    this.#step = new DecoderStep(session, dimensions, this.caches)
    this.#encode = encode
    this.#capacity = slots
  }

  /** @throws RangeError when all slots are taken */
  open(): Slot {
    if (this.#slots.length === this.#capacity) throw new RangeError(`all ${this.#capacity} slots are taken`)
    const slot = new DecoderSlot(this, this.#slots.length)
    this.#slots.push(slot)
    return slot
  }

  get freeSlots(): number {
    return this.#capacity - this.#slots.length
  }

  /** The last slot moves into the gap: steps take slots that follow each other. */
  close(slot: DecoderSlot): void {
    const last = this.#slots.pop()
    if (last === undefined || last === slot) return
    this.caches.move(last.index, slot.index)
    last.index = slot.index
    this.#slots[slot.index] = last
  }

  async encode(mel: Float32Array, slot: DecoderSlot): Promise<Float32Array> {
    return await this.#encode(mel, this.caches.layers, slot.index)
  }

  /** Reads with whoever else reads in this turn of the event loop. */
  read(reading: Reading): void {
    this.#readings.push(reading)
    if (!this.#isRunning) void this.#run()
  }

  grow(): void {
    this.caches.grow(this.#slots.length)
    for (const slot of this.#slots) slot.cells.grow(this.caches.cells)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.release()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    while (this.#readings.length > 0) {
      await nextTurn()
      const readings = this.#readings
      this.#readings = []
      for (const batch of batchesOf(readings)) {
        try {
          await this.#step.run(batch)
        } catch (error) {
          for (const { reject } of batch) reject(error)
        }
      }
    }
    this.#isRunning = false
  }
}

/** Readings of one kind, of slots that follow each other. */
function batchesOf(readings: readonly Reading[]): readonly (readonly Reading[])[] {
  const sorted = readings.toSorted((one, other) => one.slot.index - other.slot.index)
  const batches: Reading[][] = []
  for (const reading of sorted) {
    const batch = batches.find((candidate) => isSame(candidate, reading))
    if (batch === undefined) batches.push([reading])
    else batch.push(reading)
  }
  return batches
}

function isSame(batch: readonly Reading[], reading: Reading): boolean {
  const last = batch.at(-1)
  return (
    last !== undefined &&
    last.slot.index + 1 === reading.slot.index &&
    last.sequences === reading.sequences &&
    last.tokens.length === reading.tokens.length &&
    last.mask === reading.mask &&
    last.wantsLogits === reading.wantsLogits &&
    !last.isAlignment &&
    !reading.isAlignment
  )
}
