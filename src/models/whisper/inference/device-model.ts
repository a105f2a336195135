import type { WhisperWeights } from '../weights/whisper-weights.ts'
import type { Device } from '../../../contract/device.ts'
import type { SpecialTokens } from '../graph/decoder-graph.ts'
import { buildDeviceDecoder } from '../graph/device-decoder-graph.ts'
import { buildDeviceEncoder } from '../graph/device-encoder-graph.ts'
import { DeviceCaches } from './device-caches.ts'
import { DeviceDecoder } from './device-decoder.ts'
import { DeviceEncoder } from './device-encoder.ts'
import { DeviceStep } from './device-step.ts'
import { createSession } from '../../../speech/inference/session.ts'

/** Threads for the little that is left to the CPU. */
const THREADS = 1

/**
 * Encoder and decoder on a device that keeps tensors between runs: WebGPU, the only one for which onnxruntime-node can.
 * @throws EngineError `checkpoint.invalid`, `engine.load_failed`
 */
export async function loadOnDevice(
  weights: WhisperWeights,
  special: SpecialTokens,
  { device, slots, signal }: { readonly device: Device; readonly slots: number; readonly signal?: AbortSignal },
): Promise<DeviceDecoder> {
  const { dimensions } = weights
  const { floats, hasFusedAttention } = device
  await using stack = new AsyncDisposableStack()
  const encoder = await createSession(buildDeviceEncoder(weights, floats, hasFusedAttention), THREADS, 'webgpu')
  const ofEncoder = stack.use(new DeviceEncoder(encoder, dimensions))
  signal?.throwIfAborted()
  const { ranking, ...graph } = buildDeviceDecoder(weights, special, floats)
  const session = await createSession(graph, THREADS, 'webgpu')
  const step = stack.use(new DeviceStep(session, dimensions, ranking, special))
  signal?.throwIfAborted()
  const caches = stack.use(await DeviceCaches.create(dimensions, slots, floats))
  stack.move()
  return new DeviceDecoder(dimensions, caches, ofEncoder, step)
}
