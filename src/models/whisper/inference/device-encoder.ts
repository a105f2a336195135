import { Tensor } from 'onnxruntime-node'
import type { InferenceSession } from 'onnxruntime-node'
import type { Dimensions } from '../weights/whisper-weights.ts'
import type { DeviceCaches } from './device-caches.ts'

/** The audio encoder on a device, which leaves the cross-attention's keys and values in a slot's part of the caches. */
export class DeviceEncoder implements AsyncDisposable {
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
  async encode(mel: Float32Array, caches: DeviceCaches, slot: number): Promise<Float32Array> {
    const { nMels, nAudioCtx, nState } = this.#dimensions
    const { feeds, fetches } = caches.cross()
    const outputs = await this.#session.run(
      {
        ...feeds,
        mel: new Tensor('float32', mel, [1, nMels, mel.length / nMels]),
        slot: new Tensor('int64', BigInt64Array.of(BigInt(slot)), [1, 1]),
      },
      { ...fetches, encoded: new Tensor('float32', this.#encoded, [1, nAudioCtx, nState]) },
    )
    for (const name of Object.keys(fetches)) outputs[name]?.dispose()
    return this.#encoded
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.release()
  }
}
