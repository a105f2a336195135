import { readFile } from 'node:fs/promises'
import process from 'node:process'
import { optionsOf } from '../../test/support/golden.ts'
import { temporaryFolder } from '../../test/support/server.ts'
import { EngineProcess } from '../../src/worker/engine-process.ts'
import type { EngineTask } from '../../src/worker/engine-protocol.ts'
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
export function engineTask(modelFolder: string, audioPath: string, parameters: Parameters): EngineTask {
  const options = optionsOf({
    options: {
      ...{ language: 'en', temperature: [0], beam_size: parameters.beamSize },
      condition_on_previous_text: parameters.conditionOnPreviousText,
      without_timestamps: parameters.withoutTimestamps,
    },
  })
  return { modelFolder, audioPath, options, maxAudioSeconds: null }
}

/** Runs a recording in an engine process of its own that has loaded the model. */
export async function runSotto(modelFolder: string, recording: Recording, parameters: Parameters): Promise<Sample> {
  return await withEngine(async (engine, pid) => {
    await transcribe(engine, engineTask(modelFolder, recording.second, parameters))
    const startMs = performance.now()
    const text = await transcribe(engine, engineTask(modelFolder, recording.path, parameters))
    return { seconds: (performance.now() - startMs) / 1000, text, peakMb: await peakMb(await pid()) }
  })
}

export async function transcribe(engine: EngineProcess, task: EngineTask): Promise<string> {
  return (await engine.transcribe(task, { signal: new AbortController().signal })).text
}

/** @param use is given the engine, and a way to the id of its process, which starts with its first task */
export async function withEngine<T>(
  use: (engine: EngineProcess, pid: () => Promise<number>) => Promise<T>,
): Promise<T> {
  await using folder = await temporaryFolder()
  await using engine = new EngineProcess({ threads: THREADS, temporaryFolder: folder.path })
  return await use(engine, lastChild)
}

/** The engine process tells nobody its id; it is the only child that runs while it is measured. */
async function lastChild(): Promise<number> {
  const children = await readFile(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').catch(() => '')
  return Number(children.trim().split(' ').at(-1) ?? Number.NaN)
}
