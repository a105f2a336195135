import { join } from 'node:path'
import process from 'node:process'
import { parametersOf } from '../../test/support/golden.ts'
import { PROJECT, temporaryFolder } from '../../test/support/server.ts'
import { loadConfig } from '../../src/config/config.ts'
import { EngineProcess } from '../../src/worker/engines/engine-process.ts'
import type { RecognitionTask } from '../../src/contract/recognition-task.ts'
import { peakMb, THREADS } from './machine.ts'
import type { Sample } from './measurements.ts'

/** Parameters under the reference's names; those of all engines are made of them. */
export interface Parameters {
  readonly beamSize: number | null
  readonly conditionOnPreviousText: boolean
  readonly withoutTimestamps: boolean
}

export interface Recording {
  /** 16 kHz mono wav. */
  readonly path: string
  /** A second of it, to load the model with. */
  readonly second: string
}

/** No engine falls back to a higher temperature: it would sample, each in its own way, and then the work differs. */
export function engineTask(audioPath: string, parameters: Parameters): RecognitionTask {
  const given = parametersOf({
    options: {
      ...{ language: 'en', temperature: [0], beam_size: parameters.beamSize },
      condition_on_previous_text: parameters.conditionOnPreviousText,
      without_timestamps: parameters.withoutTimestamps,
    },
  })
  return { audioPath, parameters: given, maxAudioSeconds: null }
}

/** Runs a recording in an engine process of its own that has loaded the model. */
export async function runSotto(modelFolder: string, recording: Recording, parameters: Parameters): Promise<Sample> {
  return await withEngine(modelFolder, async (engine) => {
    await transcribe(engine, engineTask(recording.second, parameters))
    const startMs = performance.now()
    const text = await transcribe(engine, engineTask(recording.path, parameters))
    return { seconds: (performance.now() - startMs) / 1000, text, peakMb: await peakMb(engine.pid) }
  })
}

export async function transcribe(engine: EngineProcess, task: RecognitionTask): Promise<string> {
  return (await engine.transcribe(task, { signal: new AbortController().signal })).text
}

/** Windows that are decoded together at most, as by default. */
const BATCH = 8

/** Quantised copies, which are derived at the first use. */
export const CACHE = join(PROJECT, '.bench/cache')

export async function withEngine<T>(modelFolder: string, use: (engine: EngineProcess) => Promise<T>): Promise<T> {
  await using folder = await temporaryFolder()
  const { precision } = loadConfig(process.env).engine
  const settings = { modelFolder, precision, threads: THREADS, batch: BATCH }
  await using engine = new EngineProcess({ ...settings, temporaryFolder: folder.path, cacheFolder: CACHE })
  return await use(engine)
}
