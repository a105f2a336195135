import { execFile } from 'node:child_process'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { PROJECT } from '../../test/support/server.ts'
import { readCheckpoint } from '../../src/whisper/checkpoint/checkpoint.ts'
import { WhisperModel } from '../../src/whisper/model.ts'
import { checkpointFolder } from './inputs.ts'
import type { ModelName } from './inputs.ts'
import { THREADS } from './machine.ts'
import { median } from './measurements.ts'

/** How long the engine's own pieces take, without the search around them. */
export interface StepsRow {
  readonly row: 'steps'
  readonly on: string
  /** Milliseconds. */
  readonly encoderWindow: number
  readonly stepOf1: number
  readonly stepOf5: number
}

const WINDOWS = 5
const STEPS = 100
const BEAMS = 5

/** In a process of its own, since inference blocks its thread and the memory is not given back. */
export async function steps(on: ModelName): Promise<StepsRow> {
  const args = [join(PROJECT, 'bench/run.ts'), 'engine-steps', await checkpointFolder(on)]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  return { row: 'steps', on, ...(JSON.parse(stdout) as Omit<StepsRow, 'row' | 'on'>) }
}

/**
 * Measures a checkpoint, and prints the milliseconds as JSON.
 *
 *     npm run bench -- engine-steps <folder>
 */
export async function run([folder = '']: readonly string[]): Promise<void> {
  const { nMels } = (await readCheckpoint(folder)).dimensions
  await using model = await WhisperModel.load(folder, { threads: THREADS })
  const mel = new Float32Array(nMels * 3000)
  const encoderTimes: number[] = []
  const encode = async (): Promise<Awaited<ReturnType<WhisperModel['encode']>>> => {
    const startMs = performance.now()
    const window = await model.encode(mel)
    encoderTimes.push(performance.now() - startMs)
    return window
  }
  for (let index = 0; index < WINDOWS; index++) await encode()
  const window = await encode()
  const stepOf1 = await step(model, window, 1)
  const stepOf5 = await step(model, window, BEAMS)
  console.log(JSON.stringify({ encoderWindow: median(encoderTimes.slice(1)), stepOf1, stepOf5 }))
}

/** Median of the first hundred steps; the beams trade places in each, as in a search. */
async function step(
  model: WhisperModel,
  window: Awaited<ReturnType<WhisperModel['encode']>>,
  count: number,
): Promise<number> {
  const prompt = model.tokenizer.sotSequence('en', 'transcribe')
  const decoder = model.sequences(window, 1)
  await decoder.read(prompt, [prompt.length - 1])
  decoder.rearrange(Array.from({ length: count }, () => 0))
  const times: number[] = []
  for (let index = 0; index < STEPS; index++) {
    const startMs = performance.now()
    decoder.rearrange(Array.from({ length: count }, (_, beam) => (beam + 1) % count))
    await decoder.read(
      Array.from({ length: count }, (_, beam) => 300 + index + beam),
      [0],
    )
    times.push(performance.now() - startMs)
  }
  return median(times)
}
