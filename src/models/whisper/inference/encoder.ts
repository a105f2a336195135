import { Tensor } from 'onnxruntime-node'
import type { InferenceSession } from 'onnxruntime-node'
import type { Dimensions } from '../weights/whisper-weights.ts'
import { releaseCopies } from '../../../speech/inference/release.ts'

/** The audio encoder. */
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
  async encode(mel: Float32Array): Promise<Float32Array> {
    const { nMels, nAudioCtx, nState } = this.#dimensions
    const copies = await this.#session.run(
      { mel: new Tensor('float32', mel, [1, nMels, mel.length / nMels]) },
      { encoded: new Tensor('float32', this.#encoded, [nAudioCtx, nState]) },
    )
    releaseCopies(copies)
    return this.#encoded
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.release()
  }
}
