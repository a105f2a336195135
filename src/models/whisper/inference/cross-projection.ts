import { Tensor } from 'onnxruntime-node'
import type { InferenceSession } from 'onnxruntime-node'
import type { WhisperWeights, Dimensions } from '../weights/whisper-weights.ts'
import { SCALE_SUFFIX } from '../../../speech/weights/quantised-copy.ts'
import { locate } from '../../../speech/weights/safetensors.ts'
import { TensorReader } from '../../../speech/weights/tensor-reader.ts'
import type { DeviceName } from '../../../contract/device.ts'
import { buildCrossProjection } from '../graph/cross-projection-graph.ts'
import type { CrossWeightType } from '../graph/cross-projection-graph.ts'
import type { LayerCaches } from './caches.ts'
import { releaseCopies } from '../../../speech/inference/release.ts'
import { createSession } from '../../../speech/inference/session.ts'

/** A layer's, by the names of the graph's inputs. */
type Weights = Readonly<Record<string, Tensor>>

/** Makes the cross-attention's keys and values of what the encoder gives, layer by layer, straight into the caches of a slot. */
export class CrossProjection implements AsyncDisposable {
  readonly #session: InferenceSession
  readonly #dimensions: Dimensions
  readonly #layers: readonly Weights[]

  constructor(session: InferenceSession, dimensions: Dimensions, layers: readonly Weights[]) {
    this.#session = session
    this.#dimensions = dimensions
    this.#layers = layers
  }

  /** @param encoded [nAudioCtx, nState], row-major */
  async project(encoded: Float32Array, caches: readonly LayerCaches[], slot: number): Promise<void> {
    const { nAudioCtx, nState, nTextHead } = this.#dimensions
    const headWidth = nState / nTextHead
    const part = (cache: Float32Array): Float32Array =>
      cache.subarray(slot * encoded.length, (slot + 1) * encoded.length)
    const input = new Tensor('float32', encoded, [nAudioCtx, nState])
    for (const [layer, { crossKey, crossValue }] of caches.entries()) {
      const copies = await this.#session.run(
        { ...this.#layers[layer], encoded: input },
        {
          key: new Tensor('float32', part(crossKey), [1, nTextHead, nAudioCtx, headWidth]),
          value: new Tensor('float32', part(crossValue), [1, nTextHead, headWidth, nAudioCtx]),
        },
      )
      releaseCopies(copies)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.release()
  }
}

/**
 * @param provider what runs the graph
 * @throws EngineError `checkpoint.invalid`, `checkpoint.unsupported`
 */
export async function loadCrossProjection(
  weights: WhisperWeights,
  threads: number,
  provider: DeviceName,
): Promise<CrossProjection> {
  const { tensors, dimensions } = weights
  // Integers where they were quantised, else widened to float32.
  const type = tensors.get(nameOf(0, 'k_proj.weight'))?.type === 'I8' ? 'I8' : 'F32'
  const layers = await readWeights(weights, type)
  const session = await createSession(buildCrossProjection(dimensions, type), threads, provider)
  return new CrossProjection(session, dimensions, layers)
}

async function readWeights(
  { tensors, dimensions }: WhisperWeights,
  type: CrossWeightType,
): Promise<readonly Weights[]> {
  const { nState, nTextLayer } = dimensions
  await using reader = new TensorReader()
  const floats = async (name: string, shape: readonly number[]): Promise<Tensor> =>
    new Tensor('float32', await reader.rows(locate(tensors, name, shape), 0, shape[0] ?? 0), shape)
  const integers = async (name: string, shape: readonly number[]): Promise<Tensor> => {
    const location = locate(tensors, name, shape)
    const { buffer, byteOffset, length } = await reader.bytes(location, 0, location.length)
    return new Tensor('int8', new Int8Array(buffer, byteOffset, length), shape)
  }
  const projection = async (input: 'key' | 'value', name: string): Promise<Weights> =>
    type === 'I8'
      ? {
          [`${input}_weight`]: await integers(name, [nState, nState]),
          [`${input}_scale`]: await floats(`${name}${SCALE_SUFFIX}`, [nState]),
        }
      : { [`${input}_weight`]: await floats(name, [nState, nState]) }
  const layers: Weights[] = []
  for (let layer = 0; layer < nTextLayer; layer++) {
    layers.push({
      ...(await projection('key', nameOf(layer, 'k_proj.weight'))),
      ...(await projection('value', nameOf(layer, 'v_proj.weight'))),
      value_bias: await floats(nameOf(layer, 'v_proj.bias'), [nState]),
    })
  }
  return layers
}

function nameOf(layer: number, tensor: string): string {
  return `decoder.layers.${layer}.encoder_attn.${tensor}`
}
