import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import process from 'node:process'
import { PROJECT } from '../../test/support/server.ts'
import { readWhisperWeights } from '../../src/models/whisper/weights/whisper-weights.ts'
import { writeFixedStepsModel } from './fixed-steps.ts'
import { writeGgmlModel } from './ggml-model.ts'
import { writeOnnxExport } from './onnx-export.ts'
import { writePaddedDemo } from './padded-demo.ts'
import type { Recording } from './sotto.ts'
import { writeWav } from './wav-file.ts'

/** Begins anew when what is written there changes. */
const CACHE = join(PROJECT, '.bench/engine-1')
const DEMO = join(PROJECT, 'models/whisper-demo')
const AUDIO = process.env.SOTTO_BENCH_AUDIO ?? resolve(PROJECT, '../shared/audio')

/** The trained demo weights, and random ones of the published shapes that decode as many tokens in every window. */
export type ModelName = 'demo' | 'tiny' | 'small'

/** Folder of a model in the Hugging Face layout with the published vocabulary's size, which all engines get. */
export async function modelFolder(name: ModelName): Promise<string> {
  return await made(join(CACHE, name, 'model'), (folder) =>
    name === 'demo' ? writePaddedDemo(folder, DEMO) : writeFixedStepsModel(folder, name),
  )
}

export async function ggmlModel(name: ModelName): Promise<string> {
  const weights = await readWhisperWeights(await modelFolder(name))
  return await made(join(CACHE, name, 'ggml-model-f16.bin'), (path) => writeGgmlModel(weights, path))
}

export async function onnxExport(name: ModelName): Promise<string> {
  const source = await modelFolder(name)
  return await made(join(CACHE, name, 'onnx-export'), (folder) => writeOnnxExport(folder, source))
}

/** A recording that every developer's checkout has beside it, or that SOTTO_BENCH_AUDIO has. */
export function audioFile(name: string): string {
  const path = join(AUDIO, name)
  if (!existsSync(path)) throw new Error(`${path} is not here; SOTTO_BENCH_AUDIO names another folder`)
  return path
}

const SPEECH = 'en-five-minutes.mp3'

/** Five minutes of speech, or a part of them. */
export async function speech(part?: { readonly fromSeconds: number; readonly seconds: number }): Promise<Recording> {
  const source = audioFile(SPEECH)
  const name = part === undefined ? 'whole' : `${part.fromSeconds}-${part.fromSeconds + part.seconds}`
  return {
    path: await made(join(CACHE, 'speech', `${name}.wav`), (path) => writeWav(path, source, part)),
    second: await made(join(CACHE, 'speech', 'second.wav'), (path) => writeWav(path, source, { seconds: 1 })),
  }
}

/** What is said in it. */
export async function spokenText(): Promise<string> {
  const path = audioFile(SPEECH.replace('.mp3', '.json'))
  return (JSON.parse(await readFile(path, 'utf8')) as { text: string }).text
}

/** What is at the path already, or what is made now; what is there is always whole. */
async function made(path: string, make: (path: string) => Promise<void>): Promise<string> {
  if (existsSync(path)) return path
  await mkdir(dirname(path), { recursive: true })
  const unfinished = `${path}.unfinished`
  await rm(unfinished, { recursive: true, force: true })
  await make(unfinished)
  await rename(unfinished, path)
  return path
}
