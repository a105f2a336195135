import { setImmediate as nextTurn } from 'node:timers/promises'
import type { InferenceSession } from 'onnxruntime-node'
import type { Dimensions } from '../weights/whisper-weights.ts'
import { Caches } from './caches.ts'
import type { LayerCaches } from './caches.ts'
import { DecoderSlot } from './decoder-slot.ts'
import type { SlotDecoder } from './decoder-slot.ts'
import { DecoderStep } from './decoder-step.ts'
import type { WaitingReading } from './decoder-step.ts'
import type { Reading, StepOutputs } from './reading.ts'
import type { Slot } from './slot.ts'

/** Encodes into a slot's part of the caches. */
export type Encode = (mel: Float32Array, layers: readonly LayerCaches[], slot: number) => Promise<Float32Array>

/**
 * The decoder, and slots for the windows that it decodes, of one recording or of several. What their sequences ask for at the same
 * time is read in one step (continuous batching: windows that are done leave, new ones join): a step mostly reads weights, whatever
 * the number of its rows.
 */
export class Decoder implements SlotDecoder, AsyncDisposable {
  readonly dimensions: Dimensions
  readonly caches: Caches
  readonly #session: InferenceSession
  readonly #step: DecoderStep
  readonly #encode: Encode
  /** By their place in the caches. */
  readonly #slots: (DecoderSlot | undefined)[]
  /** Encoders under way, which write to the places that their slots had when they began. */
  #encoding = 0
  #readings: WaitingReading[] = []
  #isRunning = false

  /** @param slots windows that can be decoded at the same time */
  constructor(session: InferenceSession, dimensions: Dimensions, slots: number, encode: Encode) {
    this.#session = session
    this.dimensions = dimensions
    this.caches = new Caches(dimensions, slots)
    this.#step = new DecoderStep(session, dimensions, this.caches)
    this.#encode = encode
    this.#slots = Array.from({ length: slots }, () => undefined)
  }

  /** @throws RangeError when all slots are taken */
  open(): Slot {
    const index = this.#slots.indexOf(undefined)
    if (index === -1) throw new RangeError(`all ${this.#slots.length} slots are taken`)
    const slot = new DecoderSlot(this, index)
    this.#slots[index] = slot
    return slot
  }

  get freeSlots(): number {
    return this.#slots.filter((slot) => slot === undefined).length
  }

  close(slot: DecoderSlot): void {
    this.#slots[slot.index] = undefined
  }

  async encode(mel: Float32Array, slot: DecoderSlot): Promise<Float32Array> {
    this.#encoding += 1
    try {
      return await this.#encode(mel, this.caches.layers, slot.index)
    } finally {
      this.#encoding -= 1
    }
  }

  /** Batched with all readings of this turn of the event loop. */
  async read(reading: Reading<DecoderSlot>): Promise<StepOutputs> {
    const { promise, resolve, reject } = Promise.withResolvers<StepOutputs>()
    this.#readings.push({ ...reading, resolve, reject })
    if (!this.#isRunning) void this.#run()
    return await promise
  }

  grow(): void {
    this.caches.grow(this.#slots.findLastIndex((slot) => slot !== undefined) + 1)
    for (const slot of this.#slots) slot?.cells.grow(this.caches.cells)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.release()
  }

  /** Compaction: moves the last slots into gaps, since a step takes contiguous ones. */
  #closeGaps(): void {
    if (this.#encoding > 0) return
    for (;;) {
      const gap = this.#slots.indexOf(undefined)
      const last = this.#slots.findLast((slot) => slot !== undefined)
      if (gap === -1 || last === undefined || last.index < gap) return
      this.caches.move(last.index, gap)
      this.#slots[last.index] = undefined
      this.#slots[gap] = last
      last.index = gap
    }
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    while (this.#readings.length > 0) {
      await nextTurn()
      let readings: readonly WaitingReading[] = this.#readings
      this.#readings = []
      while (readings.length > 0) {
        this.#closeGaps()
        const batch = firstBatch(readings)
        readings = readings.filter((reading) => !batch.includes(reading))
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
function firstBatch(readings: readonly WaitingReading[]): readonly WaitingReading[] {
  const [first, ...others] = readings.toSorted((one, other) => one.slot.index - other.slot.index)
  const batch = first === undefined ? [] : [first]
  for (const reading of others) if (follows(batch.at(-1), reading)) batch.push(reading)
  return batch
}

function follows(last: WaitingReading | undefined, reading: WaitingReading): boolean {
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
