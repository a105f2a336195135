import { Tensor } from 'onnxruntime-node'
import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import type { Device } from '../device.ts'
import { mlpMultiplyAdds } from '../expected-speed.ts'
import type { Pace } from '../expected-speed.ts'
import { buildEncoderProducts } from '../graph/probes.ts'
import { createSession } from './session.ts'
import type { Slot } from './slot.ts'

/** Of the encoder's 1500 as many as are multiplied about as fast as all of them: on two cores 5 ms of the base model. */
const ROWS_ON_CPU = 128
const ROWS_ON_DEVICE = 512
/** Of so many calls the one in the middle counts: on a busy machine one is interrupted now and then. */
const TIMES = 3
/** Shorter than an interruption: of calls that take less all together there are more. */
const LEAST_MS = 15
/** Of calls that take more all together there are fewer. */
const MOST_MS = 300

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
  const rows = Math.min(device.name === 'cpu' ? ROWS_ON_CPU : ROWS_ON_DEVICE, nAudioCtx)
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
  let passedMs = 0
  while (passedMs < LEAST_MS || (seconds.length < TIMES && passedMs < MOST_MS)) {
    const startMs = performance.now()
    await call()
    const tookMs = performance.now() - startMs
    seconds.push(tookMs / 1000)
    passedMs += tookMs
  }
  return seconds.sort((one, other) => one - other)[Math.floor(seconds.length / 2)] ?? Number.NaN
}
