import { join } from 'node:path'
import process from 'node:process'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PROJECT } from '../../../../test/support/server.ts'
import { WhisperModel } from '../model.ts'

const MB = 2 ** 20
const SEQUENCES = 5
const STEPS = 120

let model: WhisperModel
beforeAll(async () => {
  model = await WhisperModel.load(join(PROJECT, 'models/whisper-demo'), { threads: 1, slots: 1 })
})
afterAll(() => model[Symbol.asyncDispose]())

/** Bytes that arrays hold, after all that nobody reaches has been collected. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect !== 'function') throw new TypeError('this Node has no gc')
  // What one collection finds is freed beside it; the next one waits for that.
  for (let held = Number.POSITIVE_INFINITY; ;) {
    collect()
    const { arrayBuffers } = process.memoryUsage()
    if (arrayBuffers >= held) return arrayBuffers
    held = arrayBuffers
  }
}

test('the encoder’s results are in the caches alone, without waiting for the garbage collector', async () => {
  using slot = model.slot()
  const mel = new Float32Array(model.dimensions.nMels * 3000)
  await slot.encode(mel)
  const before = heldBytes()
  for (let window = 0; window < 3; window++) await slot.encode(mel)
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(MB)
})

test('caches that have grown do not keep what they were before', async () => {
  const { nMels, nState, nTextLayer } = model.dimensions
  using slot = model.slot()
  await slot.encode(new Float32Array(nMels * 3000))
  await slot.read([1], [0])
  slot.rearrange(Array.from({ length: SEQUENCES }, () => 0))
  const before = heldBytes()
  for (let step = 0; step < STEPS; step++) {
    await slot.read(
      Array.from({ length: SEQUENCES }, (_, sequence) => step + sequence),
      [0],
    )
  }
  // Keys and values of two slots, in float32.
  const ofCells = SEQUENCES * STEPS * 2 * 2 * nTextLayer * nState * 4
  const grown = heldBytes() - before
  expect(grown).toBeGreaterThan(ofCells / 2)
  expect(grown).toBeLessThan(ofCells + 2 * MB)
})
