import { execFile } from 'node:child_process'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { PROJECT } from '../../test/support/server.ts'
import { readWhisperWeights } from '../../src/models/whisper/weights/whisper-weights.ts'
import { loadConfig } from '../../src/config/config.ts'
import type { Slot } from '../../src/models/whisper/inference/slot.ts'
import { WhisperModel } from '../../src/models/whisper/model.ts'
import { engineEnvironment } from '../../src/worker/engines/engine-environment.ts'
import { ceiling } from './ceiling.ts'
import type { Ceiling } from './ceiling.ts'
import { modelFolder } from './inputs.ts'
import type { ModelName } from './inputs.ts'
import { THREADS } from './machine.ts'
import { CACHE } from './sotto.ts'
import { median } from './measurements.ts'

/** How long the engine's own pieces take, without the search around them. */
export interface StepsRow {
  readonly row: 'steps'
  readonly on: string
  /** Milliseconds. */
  readonly encoderWindow: number
  readonly stepOf1: number
  readonly stepOf5: number
  readonly ceiling: Ceiling
}

const WINDOWS = 5
const STEPS = 100
const BEAMS = 5

/** In a process of its own, since inference blocks its thread and the memory is not given back. */
export async function steps(on: ModelName): Promise<StepsRow> {
  const args = [join(PROJECT, 'bench/run.ts'), 'engine-steps', await modelFolder(on)]
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: engineEnvironment() })
  return { row: 'steps', on, ...(JSON.parse(stdout) as Omit<StepsRow, 'row' | 'on'>) }
}

/**
 * Measures a model, and prints the milliseconds as JSON.
 *
 *     npm run bench -- engine-steps <folder>
 */
export async function run([folder = '']: readonly string[]): Promise<void> {
  const { nMels } = (await readWhisperWeights(folder)).dimensions
  const { precision } = loadConfig(process.env).engine
  await using model = await WhisperModel.load(folder, { threads: THREADS, precision, cacheFolder: CACHE })
  using slot = model.slot()
  const mel = new Float32Array(nMels * 3000)
  const encoderTimes: number[] = []
  for (let index = 0; index <= WINDOWS; index++) {
    const startMs = performance.now()
    await slot.encode(mel)
    encoderTimes.push(performance.now() - startMs)
  }
  const stepOf1 = await step(model, slot, 1)
  const stepOf5 = await step(model, slot, BEAMS)
  const limits = await ceiling(folder, precision)
  console.log(JSON.stringify({ encoderWindow: median(encoderTimes.slice(1)), stepOf1, stepOf5, ceiling: limits }))
}

/** Median of the first hundred steps; the beams trade places in each, as in a search. */
async function step(model: WhisperModel, slot: Slot, count: number): Promise<number> {
  const prompt = model.tokenizer.sotSequence('en', 'transcribe')
  slot.restart()
  await slot.read(prompt, [prompt.length - 1])
  slot.rearrange(Array.from({ length: count }, () => 0))
  const options = { mask: model.maskOf([]), top: count + 1 }
  const times: number[] = []
  for (let index = 0; index < STEPS; index++) {
    const tokens = Array.from({ length: count }, (_, beam) => 300 + index + beam)
    const startMs = performance.now()
    slot.rearrange(Array.from({ length: count }, (_, beam) => (beam + 1) % count))
    await slot.read(tokens, [0], options)
    times.push(performance.now() - startMs)
  }
  return median(times)
}
