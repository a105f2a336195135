import type { WhisperWeights } from '../weights/whisper-weights.ts'
import type { Device } from '../../../contract/device.ts'
import { buildDecoder } from '../graph/decoder-graph.ts'
import type { SpecialTokens } from '../graph/decoder-graph.ts'
import { buildEncoder } from '../graph/encoder-graph.ts'
import { loadCrossProjection } from './cross-projection.ts'
import { Decoder } from './decoder.ts'
import type { Encode } from './decoder.ts'
import { Encoder } from './encoder.ts'
import { createSession } from '../../../speech/inference/session.ts'
import type { Slot } from './slot.ts'

/**
 * Encoder and decoder with the caches in JavaScript: on the CPU, and on devices whose tensors onnxruntime-node brings back after
 * each run. CoreML wants shapes that are known beforehand, which the decoder does not have: it stays on the CPU.
 * @throws EngineError `checkpoint.invalid`, `engine.load_failed`
 */
export async function loadOnHost(
  weights: WhisperWeights,
  special: SpecialTokens,
  options: {
    readonly device: Device
    readonly threads: number
    readonly slots: number
    readonly signal?: AbortSignal
  },
): Promise<AsyncDisposable & { open(): Slot; readonly freeSlots: number }> {
  const { device, threads, slots, signal } = options
  const { dimensions } = weights
  await using stack = new AsyncDisposableStack()
  const encoder = stack.use(new Encoder(await createSession(buildEncoder(weights), threads, device.name), dimensions))
  signal?.throwIfAborted()
  const cross = stack.use(await loadCrossProjection(weights, threads, device.name))
  // What the encoder gives lies in the same array each time.
  const encode = oneAtATime<Parameters<Encode>, Float32Array>(async (mel, layers, slot) => {
    const encoded = await encoder.encode(mel)
    await cross.project(encoded, layers, slot)
    return encoded
  })
  const provider = device.name === 'coreml' ? 'cpu' : device.name
  const session = await createSession(buildDecoder(weights, special), threads, provider)
  const decoder = stack.use(new Decoder(session, dimensions, slots, encode))
  const parts = stack.move()
  return {
    open: decoder.open.bind(decoder),
    get freeSlots() {
      return decoder.freeSlots
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

/** A mutex: calls wait for those before them. */
function oneAtATime<Args extends readonly unknown[], Result>(
  call: (...args: Args) => Promise<Result>,
): (...args: Args) => Promise<Result> {
  let last: Promise<unknown> = Promise.resolve()
  return (...args) => {
    const result = last.then(() => call(...args))
    last = result.catch(() => undefined)
    return result
  }
}
