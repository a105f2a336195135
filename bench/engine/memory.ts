import { readWhisperWeights } from '../../src/models/whisper/weights/whisper-weights.ts'
import { modelFolder, audioFile, speech } from './inputs.ts'
import type { ModelName } from './inputs.ts'
import { peakMb } from './machine.ts'
import { engineTask, transcribe, withEngine } from './sotto.ts'
import type { Parameters } from './sotto.ts'

/** What the length of a recording costs in memory, and the weights. */
export interface MemoryRow {
  readonly row: 'memory'
  readonly on: string
  readonly parameters: number
  readonly minutePeakMb: number | null
  readonly hourPeakMb: number | null
  readonly hourSeconds: number
  readonly growthPercent: number | null
  /** No more than 10 % of growth, and 1.3 × the weights + 250 MB, if each parameter took four bytes, two, or one. */
  readonly limitMb: { readonly float32: number; readonly float16: number; readonly int8: number }
}

const GROUND_MB = 250
const FACTOR = 1.3

/** The defaults: greedy, and the text so far as the prompt, but where that would change the text. */
export async function memory(on: ModelName): Promise<MemoryRow> {
  const folder = await modelFolder(on)
  const parameters: Parameters = { beamSize: null, conditionOnPreviousText: on === 'demo', withoutTimestamps: false }
  const minute = await speech({ fromSeconds: 0, seconds: 60 })
  const forMinute = await peakOf(folder, minute.path, parameters)
  const forHour = await peakOf(folder, audioFile('en-hour.mp3'), parameters)
  const { tensors } = await readWhisperWeights(folder)
  const count = [...tensors.values()].reduce((sum, { shape }) => sum + shape.reduce((one, other) => one * other, 1), 0)
  const limit = (bytes: number): number => FACTOR * ((count * bytes) / 2 ** 20) + GROUND_MB
  return {
    ...{ row: 'memory', on: `${on}, greedy`, parameters: count },
    minutePeakMb: forMinute.peak,
    hourPeakMb: forHour.peak,
    hourSeconds: forHour.seconds,
    growthPercent: forMinute.peak === null || forHour.peak === null ? null : 100 * (forHour.peak / forMinute.peak - 1),
    limitMb: { float32: limit(4), float16: limit(2), int8: limit(1) },
  }
}

async function peakOf(
  folder: string,
  path: string,
  parameters: Parameters,
): Promise<{ readonly peak: number | null; readonly seconds: number }> {
  return await withEngine(folder, async (engine) => {
    const startMs = performance.now()
    await transcribe(engine, engineTask(path, parameters))
    return { seconds: (performance.now() - startMs) / 1000, peak: await peakMb(engine.pid) }
  })
}
