import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Dimensions } from '../weights/whisper-weights.ts'
import type { DeviceCaches } from './device-caches.ts'
import type { DeviceEncoder } from './device-encoder.ts'
import { DeviceSlot } from './device-slot.ts'
import type { DeviceSlotDecoder } from './device-slot.ts'
import type { DeviceStep } from './device-step.ts'
import type { Reading, StepOutputs } from './reading.ts'
import type { Slot } from './slot.ts'

interface Waiting {
  readonly reading: Reading<DeviceSlot>
  readonly resolve: (outputs: StepOutputs) => void
  readonly reject: (error: unknown) => void
}

/**
 * The decoder on a device, and slots for the windows that it decodes, of one recording or of several. Whatever they ask for at the
 * same time is read in one step, be it one token of five beams or a prompt: windows that are done leave, new ones join.
 */
export class DeviceDecoder implements DeviceSlotDecoder, AsyncDisposable {
  readonly dimensions: Dimensions
  readonly #caches: DeviceCaches
  readonly #encoder: DeviceEncoder
  readonly #step: DeviceStep
  readonly #slots: (DeviceSlot | undefined)[]
  #waiting: Waiting[] = []
  #isRunning = false

  constructor(dimensions: Dimensions, caches: DeviceCaches, encoder: DeviceEncoder, step: DeviceStep) {
    this.dimensions = dimensions
    this.#caches = caches
    this.#encoder = encoder
    this.#step = step
    this.#slots = Array.from({ length: caches.slots })
  }

  /**
   * The lowest free one, since a step's attention goes through all slots up to the last one that reads.
   * @throws RangeError when all slots are taken
   */
  open(): Slot {
    const index = this.#slots.indexOf(undefined)
    if (index === -1) throw new RangeError(`all ${this.#slots.length} slots are taken`)
    const slot = new DeviceSlot(this, index, this.#caches.cells)
    this.#slots[index] = slot
    return slot
  }

  get freeSlots(): number {
    return this.#slots.filter((slot) => slot === undefined).length
  }

  close(slot: DeviceSlot): void {
    if (this.#slots[slot.index] === slot) this.#slots[slot.index] = undefined
  }

  async encode(mel: Float32Array, slot: number): Promise<Float32Array> {
    return await this.#encoder.encode(mel, this.#caches, slot)
  }

  /** Batched with all readings of this turn of the event loop. */
  async read(reading: Reading<DeviceSlot>): Promise<StepOutputs> {
    const { promise, resolve, reject } = Promise.withResolvers<StepOutputs>()
    this.#waiting.push({ reading, resolve, reject })
    if (!this.#isRunning) void this.#run()
    return await promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#encoder[Symbol.asyncDispose]()
    await this.#step[Symbol.asyncDispose]()
    await this.#caches[Symbol.asyncDispose]()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    while (this.#waiting.length > 0) {
      await nextTurn()
      const waiting = this.#waiting
      this.#waiting = []
      try {
        const readings = []
        for (const { reading } of waiting) readings.push({ ...reading, cells: await this.#cellsFor(reading) })
        const outputs = await this.#step.run(readings, this.#caches)
        for (const { slot, cells } of readings) slot.show(cells)
        for (const [index, { resolve }] of waiting.entries()) resolve(outputs[index]!)
      } catch (error) {
        for (const { reject } of waiting) reject(error)
      }
    }
    this.#isRunning = false
  }

  /** A free cell for each row. */
  async #cellsFor({ slot, tokens }: Reading<DeviceSlot>): Promise<readonly number[]> {
    let free = slot.cells.free(tokens.length)
    while (free.length < tokens.length) {
      await this.#caches.grow()
      for (const open of this.#slots) open?.cells.grow(this.#caches.cells)
      free = slot.cells.free(tokens.length)
    }
    return free
  }
}
