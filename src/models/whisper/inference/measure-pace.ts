import { Tensor } from 'onnxruntime-node'
import type { WhisperWeights } from '../weights/whisper-weights.ts'
import type { Device } from '../../../contract/device.ts'
import { mlpMultiplyAdds } from '../planning/expected-speed.ts'
import type { Pace } from '../planning/expected-speed.ts'
import { buildEncoderProducts } from '../graph/encoder-products.ts'
import { createSession } from '../../../speech/inference/session.ts'
import type { Slot } from './slot.ts'

/** Of the encoder's 1500 as many as are multiplied about as fast as all of them: on two cores 5 ms of the base model. */
const ROWS_ON_CPU = 128
const ROWS_ON_DEVICE = 512
/** Calls that are measured, more where they take less than `MIN_MEASURE_MS` all together, fewer where they take more than `MAX_MEASURE_MS`. */
const CALLS = 3
/** On a busy machine the interruptions, which come every few milliseconds, are part of its speed. */
const MIN_MEASURE_MS = 20
const MAX_MEASURE_MS = 300

/**
 * Tries out how fast a loaded model calculates: some rows through one MLP of its encoder, and some steps of its decoder.
 * @param slot a free one
 */
export async function measurePace(
  weights: WhisperWeights,
  slot: Slot,
  { device, threads }: { readonly device: Device; readonly threads: number },
): Promise<Pace> {
  const { dimensions } = weights
  const { nAudioCtx, nState } = dimensions
  const rows = Math.min(device.name === 'cpu' ? ROWS_ON_CPU : ROWS_ON_DEVICE, nAudioCtx)
  const session = await createSession(buildEncoderProducts(weights, rows, device.floats), threads, device.name)
  try {
    const feeds = { x: new Tensor('float32', new Float32Array(rows * nState).fill(1), [rows, nState]) }
    const productSeconds = await meanSeconds(() => session.run(feeds))
    const secondsPerStep = await meanSeconds(async () => {
      // The text's context may be short.
      slot.restart()
      await slot.read([0], [0])
    })
    return { multiplyAddsPerSecond: (rows * mlpMultiplyAdds(dimensions)) / productSeconds, secondsPerStep }
  } finally {
    await session.release()
  }
}

/** Of calls behind a first one, which gets memory and, on a device, compiles. */
async function meanSeconds(call: () => Promise<unknown>): Promise<number> {
  await call()
  const beganMs = performance.now()
  let calls = 0
  let passedMs = 0
  while (passedMs < MIN_MEASURE_MS || (calls < CALLS && passedMs < MAX_MEASURE_MS)) {
    await call()
    calls += 1
    passedMs = performance.now() - beganMs
  }
  return passedMs / calls / 1000
}
