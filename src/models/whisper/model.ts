import { identifyWeights, readWhisperWeights } from './weights/whisper-weights.ts'
import type { WhisperWeights, Dimensions } from './weights/whisper-weights.ts'
import { openQuantisedCopy } from '../../speech/weights/quantised-copy.ts'
import { CPU } from '../../contract/device.ts'
import type { Device } from '../../contract/device.ts'
import { floatsOn, planFor } from './planning/device-plan.ts'
import { expectedSpeed } from './planning/expected-speed.ts'
import { loadOnDevice } from './inference/device-model.ts'
import { loadOnHost } from './inference/host-model.ts'
import { measurePace } from './inference/measure-pace.ts'
import { planQuantisation } from './inference/precision.ts'
import type { Slot } from './inference/slot.ts'
import { Tokenizer } from './tokenizer/tokenizer.ts'
import type { Precision } from '../../contract/precision.ts'
import { DEFAULT_DEVICE_MEMORY } from '../../contract/device.ts'

/** Requests may name any tokens; what they share is worth keeping, not what each one made. */
const MAX_MASKS = 16

/** Integers are for the CPU; what devices gain by them differs. */
const UNQUANTISED = { encoder: null, decoder: null } as const

export interface LoadOptions {
  readonly threads: number
  /**
   * Recordings that are decoded at the same time. Default: 1 on the CPU, on a device as many as it has room for. A device with room
   * decodes up to twice as many windows, if a recording's windows are independent (see `areIndependent`).
   */
  readonly slots?: number
  /** f32 unless it is said. On a device anything else is float16, where it has that. */
  readonly precision?: Precision
  /** Where quantised weights are kept; is needed for any precision but f32. */
  readonly cacheFolder?: string
  /** As `openDevice` found it; the CPU unless it is said. */
  readonly device?: Device
  /** What the model may take of the device's memory. */
  readonly deviceMemoryBytes?: number
  readonly signal?: AbortSignal
}

/** What runs a model: on the CPU or on a device. */
interface Inference extends AsyncDisposable {
  open(): Slot
  readonly freeSlots: number
}

/** A model, loaded and ready to run. */
export class WhisperModel implements AsyncDisposable {
  readonly dimensions: Dimensions
  readonly isMultilingual: boolean
  readonly tokenizer: Tokenizer
  /** The same for models that calculate the same: the weights' identity, and what it is calculated in. */
  readonly identity: string
  readonly #weights: WhisperWeights
  readonly #inference: Inference
  readonly #device: Device
  readonly #threads: number
  /** Slots that stay free for recordings: as many as may come at the same time, whatever those that are here take. */
  readonly #reserved: number
  readonly #masks = new Map<string, Float32Array>()

  private constructor(
    weights: WhisperWeights,
    parts: {
      readonly tokenizer: Tokenizer
      readonly identity: string
      readonly inference: Inference
      readonly device: Device
      readonly threads: number
      readonly slots: number
    },
  ) {
    this.#weights = weights
    this.dimensions = weights.dimensions
    this.isMultilingual = weights.isMultilingual
    this.tokenizer = parts.tokenizer
    this.identity = parts.identity
    this.#inference = parts.inference
    this.#device = parts.device
    this.#threads = parts.threads
    this.#reserved = parts.slots
  }

  /**
   * @param folder a model in the Hugging Face layout
   * @throws EngineError `checkpoint.missing_file`, `checkpoint.invalid`, `checkpoint.unsupported`
   */
  static async load(folder: string, options: LoadOptions): Promise<WhisperModel> {
    const { precision = 'f32', cacheFolder, device = CPU, threads, signal } = options
    const stored = await readWhisperWeights(folder)
    const plan = device.name === 'cpu' ? await planQuantisation(precision, stored.dimensions) : UNQUANTISED
    const weights = await openQuantisedCopy(stored, plan, { cacheFolder, signal })
    const tokenizer = await Tokenizer.load(folder, weights)
    tokenizer.requireWithin(weights.dimensions.nVocab)
    const running = { ...device, floats: floatsOn(device, precision) }
    const identity = JSON.stringify([await identifyWeights(stored), plan, running.floats])
    signal?.throwIfAborted()
    const memoryBytes = options.deviceMemoryBytes ?? DEFAULT_DEVICE_MEMORY
    const room =
      device.name === 'cpu' ? Infinity : planFor(weights.dimensions, { device, precision, memoryBytes }).slots
    const slots = options.slots ?? (device.name === 'cpu' ? 1 : room)
    const load = device.name === 'webgpu' ? loadOnDevice : loadOnHost
    const inference = await load(weights, tokenizer, {
      ...options,
      device: running,
      slots: Math.max(slots, Math.min(2 * slots, room)),
    })
    return new WhisperModel(weights, { tokenizer, identity, inference, device: running, threads, slots })
  }

  get melBands(): number {
    return this.dimensions.nMels
  }

  /**
   * Seconds of audio that it will transcribe in a second, of speech and one recording at a time: some of its products are tried out for
   * that, which takes as long as a few tokens do.
   * @throws RangeError when all slots are taken
   */
  async expectedSpeed(): Promise<number> {
    using slot = this.slot()
    const pace = await measurePace(this.#weights, slot, { device: this.#device, threads: this.#threads })
    return expectedSpeed(this.dimensions, pace)
  }

  /** @throws RangeError when all slots are taken */
  slot(): Slot {
    return this.#inference.open()
  }

  /**
   * Slots for further windows of a recording that has one already, at most `count`: as many as recordings that come meanwhile leave
   * over, which can be none.
   */
  spareSlots(count: number): readonly Slot[] {
    const spare = Math.min(count, this.#inference.freeSlots - this.#reserved)
    return Array.from({ length: Math.max(0, spare) }, () => this.slot())
  }

  /** The mask that suppresses these tokens; the same array for the same tokens, so that windows which share it share steps. */
  maskOf(tokens: readonly number[]): Float32Array {
    const key = tokens.join()
    let mask = this.#masks.get(key)
    if (mask === undefined) {
      mask = new Float32Array(this.dimensions.nVocab)
      for (const token of tokens) mask[token] = Number.NEGATIVE_INFINITY
      if (this.#masks.size === MAX_MASKS) this.#masks.clear()
      this.#masks.set(key, mask)
    }
    return mask
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inference[Symbol.asyncDispose]()
  }
}
