import { readCheckpoint } from './checkpoint/checkpoint.ts'
import type { Checkpoint, Dimensions } from './checkpoint/checkpoint.ts'
import { CPU } from './inference/device.ts'
import type { Device } from './inference/device.ts'
import { DEFAULT_DEVICE_MEMORY, deviceNeed, slotsFor } from './inference/device-memory.ts'
import { loadOnDevice } from './inference/device-model.ts'
import { loadOnHost } from './inference/host-model.ts'
import type { Slot } from './inference/slot.ts'
import { Tokenizer } from './tokenizer/tokenizer.ts'

/** Requests may name any tokens; what they share is worth keeping, not what each one made. */
const MAX_MASKS = 16

export interface LoadOptions {
  readonly threads: number
  /** Windows that can be decoded at the same time; unless it is said, 1 on the CPU and as many as a device has room for. */
  readonly slots?: number
  /** As `openDevice` found it; the CPU unless it is said. */
  readonly device?: Device
  /** Of the device. */
  readonly memoryBytes?: number
  readonly signal?: AbortSignal
}

/** What runs a checkpoint: on the CPU or on a device. */
interface Inference extends AsyncDisposable {
  open(): Slot
}

/** A checkpoint, loaded and ready to run. */
export class WhisperModel implements AsyncDisposable {
  readonly dimensions: Dimensions
  readonly isMultilingual: boolean
  readonly tokenizer: Tokenizer
  /** Windows that can be decoded at the same time. */
  readonly slots: number
  readonly #inference: Inference
  readonly #masks = new Map<string, Float32Array>()

  private constructor(checkpoint: Checkpoint, tokenizer: Tokenizer, inference: Inference, slots: number) {
    this.dimensions = checkpoint.dimensions
    this.isMultilingual = checkpoint.isMultilingual
    this.tokenizer = tokenizer
    this.#inference = inference
    this.slots = slots
  }

  /**
   * @param folder a checkpoint in the Hugging Face layout
   * @throws EngineError `checkpoint.missing_file`, `checkpoint.invalid`, `checkpoint.unsupported`
   */
  static async load(folder: string, options: LoadOptions): Promise<WhisperModel> {
    const checkpoint = await readCheckpoint(folder)
    const tokenizer = await Tokenizer.load(folder, checkpoint)
    options.signal?.throwIfAborted()
    const slots = options.slots ?? defaultSlots(checkpoint, options)
    const load = options.device?.name === 'webgpu' ? loadOnDevice : loadOnHost
    const inference = await load(checkpoint, tokenizer.timestampBegin, { device: CPU, ...options, slots })
    return new WhisperModel(checkpoint, tokenizer, inference, slots)
  }

  get melBands(): number {
    return this.dimensions.nMels
  }

  /** @throws RangeError when all slots are taken */
  slot(): Slot {
    return this.#inference.open()
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

function defaultSlots(
  checkpoint: Checkpoint,
  { device = CPU, memoryBytes = DEFAULT_DEVICE_MEMORY }: LoadOptions,
): number {
  if (device.name === 'cpu') return 1
  return slotsFor(deviceNeed(checkpoint, device.precision === 'F16' ? 2 : 4), memoryBytes)
}
