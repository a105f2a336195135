import { Tensor } from 'onnxruntime-node'
import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import type { Device } from '../device.ts'
import { mlpMultiplyAdds } from '../expected-speed.ts'
import type { Pace } from '../expected-speed.ts'
import { buildEncoderProducts } from '../graph/probes.ts'
import { createSession } from './session.ts'
import type { Slot } from './slot.ts'

/** Of the encoder's, as many as a processor needs to be as fast as with all of them: 5 ms of the base model on two cores. */
const ROWS_ON_CPU = 128
/** Of so many the one in the middle counts: on a busy machine some are interrupted. */
const MOST_TIMES = 3
/** Longer ones are a measure without being repeated. */
const ENOUGH_MS = 30

/**
 * Tries out how fast a loaded model calculates: some rows through one MLP of its encoder, and some steps of its decoder.
 * @param slot a free one
 */
export async function measurePace(
  checkpoint: Checkpoint,
  slot: Slot,
  { device, threads }: { readonly device: Device; readonly threads: number },
): Promise<Pace> {
  const { dimensions } = checkpoint
  const { nAudioCtx, nState } = dimensions
  const rows = device.name === 'cpu' ? Math.min(ROWS_ON_CPU, nAudioCtx) : nAudioCtx
  const session = await createSession(buildEncoderProducts(checkpoint, rows, device.floats), threads, device.name)
  try {
    const feeds = { x: new Tensor('float32', new Float32Array(rows * nState).fill(1), [rows, nState]) }
    const productSeconds = await usualSeconds(() => session.run(feeds))
    const secondsPerStep = await usualSeconds(() => slot.read([0], [0]))
    return { multiplyAddsPerSecond: (rows * mlpMultiplyAdds(dimensions)) / productSeconds, secondsPerStep }
  } finally {
    await session.release()
  }
}

/** Behind a first one, which gets memory and, on a device, compiles. */
async function usualSeconds(call: () => Promise<unknown>): Promise<number> {
  await call()
  const seconds: number[] = []
  const beganMs = performance.now()
  do {
    const startMs = performance.now()
    await call()
    seconds.push((performance.now() - startMs) / 1000)
  } while (seconds.length < MOST_TIMES && performance.now() - beganMs < ENOUGH_MS)
  return seconds.sort((one, other) => one - other)[Math.floor(seconds.length / 2)] ?? Number.NaN
}
