import { Tensor } from 'onnxruntime-node'
import type { InferenceSession } from 'onnxruntime-node'
import type { Dimensions } from '../checkpoint/checkpoint.ts'
import type { LayerCaches } from './caches.ts'
import { release } from './release.ts'

/** The audio encoder, which writes the cross-attention's keys and values straight into the caches of a slot. */
export class Encoder implements AsyncDisposable {
  readonly #session: InferenceSession
  readonly #dimensions: Dimensions
  readonly #encoded: Float32Array

  constructor(session: InferenceSession, dimensions: Dimensions) {
    this.#session = session
    this.#dimensions = dimensions
    this.#encoded = new Float32Array(dimensions.nAudioCtx * dimensions.nState)
  }

  /**
   * @param mel [nMels, 2·nAudioCtx], row-major
   * @returns [nAudioCtx, nState], in an array that is used again
   */
  async encode(mel: Float32Array, layers: readonly LayerCaches[], slot: number): Promise<Float32Array> {
    const { nMels, nAudioCtx, nState, nTextHead } = this.#dimensions
    const headWidth = nState / nTextHead
    const part = (cache: Float32Array): Float32Array =>
      cache.subarray(slot * this.#encoded.length, (slot + 1) * this.#encoded.length)
    const fetches: Record<string, Tensor> = {
      encoded: new Tensor('float32', this.#encoded, [1, nAudioCtx, nState]),
    }
    for (const [layer, { crossKey, crossValue }] of layers.entries()) {
      fetches[`cross_key_${layer}`] = new Tensor('float32', part(crossKey), [1, nTextHead, nAudioCtx, headWidth])
      fetches[`cross_value_${layer}`] = new Tensor('float32', part(crossValue), [1, nTextHead, headWidth, nAudioCtx])
    }
    const copies = await this.#session.run({ mel: new Tensor('float32', mel, [1, nMels, mel.length / nMels]) }, fetches)
    // onnxruntime-node returns copies of what it has written.
    for (const { data } of Object.values(copies)) if (data instanceof Float32Array) release(data)
    return this.#encoded
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.release()
  }
}
