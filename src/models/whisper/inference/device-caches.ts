import { InferenceSession, Tensor } from 'onnxruntime-node'
import type { Dimensions } from '../weights/whisper-weights.ts'
import { buildFilled, buildJoined } from '../../../speech/graph/device-tensors.ts'
import type { BuiltGraph } from '../../../speech/graph/graph-builder.ts'
import { CELLS_PER_BLOCK } from './device-cells.ts'
import type { FloatType } from '../../../contract/device.ts'

/** The caches of one decoder layer, for all slots, on the device. */
interface DeviceLayer {
  /** [slots, heads, cells, headWidth]. */
  pastKey: Tensor
  pastValue: Tensor
  /** [slots, heads, headWidth, nAudioCtx]. */
  readonly crossKey: Tensor
  /** [slots, heads, nAudioCtx, headWidth]. */
  readonly crossValue: Tensor
}

type Feeds = Record<string, Tensor>

/**
 * Keys and values for as many windows as there are slots, in memory of the device that is taken once: graphs get it as input and as
 * output, and write to it in place. (With the outputs' location set to the device, ONNX Runtime makes a new tensor each time, which
 * costs a copy of all caches a step; what is handed to it as an output is used only without that setting.)
 */
export class DeviceCaches implements AsyncDisposable {
  readonly slots: number
  readonly #dimensions: Dimensions
  readonly #filled: InferenceSession
  readonly #joined: InferenceSession
  #layers: readonly DeviceLayer[] = []
  #cells = CELLS_PER_BLOCK

  private constructor(dimensions: Dimensions, slots: number, filled: InferenceSession, joined: InferenceSession) {
    this.#dimensions = dimensions
    this.slots = slots
    this.#filled = filled
    this.#joined = joined
  }

  static async create(dimensions: Dimensions, slots: number, floats: FloatType): Promise<DeviceCaches> {
    const { nState, nTextHead: heads, nTextLayer, nAudioCtx } = dimensions
    const filled = await createKept(buildFilled(floats))
    const caches = new DeviceCaches(dimensions, slots, filled, await createKept(buildJoined(floats)))
    const headWidth = nState / heads
    const layers: DeviceLayer[] = []
    for (let layer = 0; layer < nTextLayer; layer++) {
      layers.push({
        pastKey: await caches.#zeros([slots, heads, caches.#cells, headWidth]),
        pastValue: await caches.#zeros([slots, heads, caches.#cells, headWidth]),
        crossKey: await caches.#zeros([slots, heads, headWidth, nAudioCtx]),
        crossValue: await caches.#zeros([slots, heads, nAudioCtx, headWidth]),
      })
    }
    caches.#layers = layers
    return caches
  }

  /** Cells of each slot. */
  get cells(): number {
    return this.#cells
  }

  async grow(): Promise<void> {
    const { nState, nTextHead: heads } = this.#dimensions
    const second = await this.#zeros([this.slots, heads, CELLS_PER_BLOCK, nState / heads])
    for (const layer of this.#layers) {
      for (const name of ['pastKey', 'pastValue'] as const) {
        const { joined } = await this.#joined.run({ first: layer[name], second })
        if (joined === undefined) throw new TypeError('the session returned no tensor')
        layer[name].dispose()
        layer[name] = joined
      }
    }
    second.dispose()
    this.#cells += CELLS_PER_BLOCK
  }

  /** Of all slots, for the encoder's graph: what it reads and what it writes. */
  cross(): { readonly feeds: Feeds; readonly fetches: Feeds } {
    return this.#named((layer) => ({ cross_key: layer.crossKey, cross_value: layer.crossValue }))
  }

  /** Of the first `count` slots, for the decoder's graph: what it reads, and of that what it writes. */
  ofFirst(count: number): { readonly feeds: Feeds; readonly fetches: Feeds } {
    const first = (tensor: Tensor): Tensor => firstOf(tensor, count)
    const past = this.#named(({ pastKey, pastValue }) => ({
      past_key: first(pastKey),
      past_value: first(pastValue),
    }))
    const cross = this.#named(({ crossKey, crossValue }) => ({
      cross_key: first(crossKey),
      cross_value: first(crossValue),
    }))
    return { feeds: { ...past.feeds, ...cross.feeds }, fetches: past.fetches }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const layer of this.#layers) for (const tensor of Object.values(layer)) (tensor as Tensor).dispose()
    await this.#filled.release()
    await this.#joined.release()
  }

  #named(tensorsOf: (layer: DeviceLayer) => Feeds): { readonly feeds: Feeds; readonly fetches: Feeds } {
    const named = this.#layers.flatMap((layer, index) =>
      Object.entries(tensorsOf(layer)).map(([name, tensor]) => [`${name}_${index}`, tensor] as const),
    )
    return {
      feeds: Object.fromEntries(named),
      fetches: Object.fromEntries(named.map(([name, tensor]) => [`new_${name}`, tensor])),
    }
  }

  async #zeros(shape: readonly number[]): Promise<Tensor> {
    const { filled } = await this.#filled.run({
      value: new Tensor('float32', new Float32Array(1), [1]),
      shape: new Tensor('int64', BigInt64Array.from(shape, BigInt), [shape.length]),
    })
    if (filled === undefined) throw new TypeError('the session returned no tensor')
    return filled
  }
}

/** The first slots of a tensor, in the same memory. */
function firstOf(tensor: Tensor, count: number): Tensor {
  const { type, dims } = tensor
  if (type !== 'float32' && type !== 'float16') throw new TypeError(`caches are no ${type} tensors`)
  return Tensor.fromGpuBuffer(tensor.gpuBuffer, { dataType: type, dims: [count, ...dims.slice(1)] })
}

/** A session whose outputs stay on the device. */
async function createKept({ model }: BuiltGraph): Promise<InferenceSession> {
  return await InferenceSession.create(model, {
    executionProviders: ['webgpu'],
    logSeverityLevel: 3,
    preferredOutputLocation: 'gpu-buffer',
  })
}
