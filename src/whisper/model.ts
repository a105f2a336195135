import { tmpdir } from 'node:os'
import { readCheckpoint } from './checkpoint/checkpoint.ts'
import type { Checkpoint, Dimensions } from './checkpoint/checkpoint.ts'
import { openQuantisedCopy } from './checkpoint/quantised-copy.ts'
import { buildDecoder } from './graph/decoder.ts'
import { buildEncoder } from './graph/encoder.ts'
import { Decoder } from './inference/decoder.ts'
import { Encoder } from './inference/encoder.ts'
import { planQuantisation } from './inference/precision.ts'
import type { Precision } from './options.ts'
import { createSession } from './inference/session.ts'
import type { Slot } from './inference/slot.ts'
import { Tokenizer } from './tokenizer/tokenizer.ts'

/** Requests may name any tokens; what they share is worth keeping, not what each one made. */
const MAX_MASKS = 16

export interface LoadOptions {
  readonly threads: number
  /**
   * Recordings that can be decoded at the same time, 1 unless it is said; as many windows more can be, of recordings whose windows do
   * not depend on each other.
   */
  readonly slots?: number
  /** f32 unless it is said. */
  readonly precision?: Precision
  /** Where quantised copies of checkpoints are kept; is needed for any precision but f32. */
  readonly cacheFolder?: string
  readonly signal?: AbortSignal
}

/** A checkpoint, loaded and ready to run. */
export class WhisperModel implements AsyncDisposable {
  readonly dimensions: Dimensions
  readonly isMultilingual: boolean
  readonly tokenizer: Tokenizer
  readonly #encoder: Encoder
  readonly #decoder: Decoder
  /** Slots that stay free for recordings: as many as may come at the same time, whatever those that are here take. */
  readonly #reserved: number
  readonly #masks = new Map<string, Float32Array>()

  private constructor(checkpoint: Checkpoint, tokenizer: Tokenizer, encoder: Encoder, decoder: Decoder, slots: number) {
    this.dimensions = checkpoint.dimensions
    this.isMultilingual = checkpoint.isMultilingual
    this.tokenizer = tokenizer
    this.#encoder = encoder
    this.#decoder = decoder
    this.#reserved = slots
  }

  /**
   * @param folder a checkpoint in the Hugging Face layout
   * @throws EngineError `checkpoint.missing_file`, `checkpoint.invalid`, `checkpoint.unsupported`
   */
  static async load(folder: string, options: LoadOptions): Promise<WhisperModel> {
    const { threads, slots = 1, precision = 'f32', cacheFolder = tmpdir(), signal } = options
    const stored = await readCheckpoint(folder)
    const plan = await planQuantisation(precision, stored.dimensions)
    const checkpoint = await openQuantisedCopy(stored, plan, { cacheFolder, signal })
    const { dimensions } = checkpoint
    const tokenizer = await Tokenizer.load(folder, checkpoint)
    signal?.throwIfAborted()
    const encoder = new Encoder(await createSession(buildEncoder(checkpoint), threads), dimensions)
    signal?.throwIfAborted()
    const session = await createSession(buildDecoder(checkpoint, tokenizer), threads)
    const encode = encoder.encode.bind(encoder)
    return new WhisperModel(checkpoint, tokenizer, encoder, new Decoder(session, dimensions, 2 * slots, encode), slots)
  }

  get melBands(): number {
    return this.dimensions.nMels
  }

  /** @throws RangeError when all slots are taken */
  slot(): Slot {
    return this.#decoder.open()
  }

  /**
   * Slots for further windows of a recording that has one already, at most `count`: as many as recordings that come meanwhile leave
   * over, which can be none.
   */
  spareSlots(count: number): readonly Slot[] {
    const spare = Math.min(count, this.#decoder.freeSlots - this.#reserved)
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
    await this.#encoder[Symbol.asyncDispose]()
    await this.#decoder[Symbol.asyncDispose]()
  }
}
