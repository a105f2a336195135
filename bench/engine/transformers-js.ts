import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { PROJECT } from '../../test/support/server.ts'
import { decodeAudio } from '../../src/speech/audio/decode-audio.ts'
import { packageVersion, peakMb, THREADS } from './machine.ts'
import type { Sample, Side } from './measurements.ts'
import type { Dtype } from './onnx-linear.ts'
import type { Recording } from './sotto.ts'

/** A folder with `node_modules/@huggingface/transformers`. */
export const TRANSFORMERS_JS = 'SOTTO_BENCH_TRANSFORMERS_JS'

const PACKAGE = '@huggingface/transformers'
const SAMPLE_RATE = 16_000
const WINDOW = 30 * SAMPLE_RATE

/** What is tried, as encoder and decoder: its documentation recommends a full encoder with a small decoder. */
const DTYPES: readonly (readonly [encoder: Dtype, decoder: Dtype])[] = [
  ['fp32', 'fp32'],
  ['fp32', 'q8'],
  ['fp32', 'q4'],
  ['q8', 'q8'],
  ['q8', 'q4'],
]

interface Request {
  /** Folder that the library is installed in. */
  readonly library: string
  readonly model: string
  readonly recording: Recording
  readonly dtype: { readonly encoder_model: Dtype; readonly decoder_model_merged: Dtype }
}

/** @param model a folder with exports */
export function transformersJsSides(library: string, model: string, recording: Recording): readonly Side[] {
  return DTYPES.map(([encoder, decoder]) => ({
    name: `Transformers.js, ${encoder} and ${decoder}`,
    run: async () => {
      const dtype = { encoder_model: encoder, decoder_model_merged: decoder }
      const request: Request = { library, model, recording, dtype }
      const args = [join(PROJECT, 'bench/run.ts'), 'engine-transformers-js', JSON.stringify(request)]
      const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 2 ** 26 })
      return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Sample
    },
  }))
}

export async function transformersJsVersion(library: string): Promise<string> {
  const version = async (name: string): Promise<string> => packageVersion(join(library, 'node_modules', name))
  return `Transformers.js ${await version(PACKAGE)}, onnxruntime-node ${await version('onnxruntime-node')}`
}

/** The part of the library that is used. */
interface Transformers {
  readonly env: { localModelPath: string; allowRemoteModels: boolean }
  readonly pipeline: (task: string, model: string, options: Readonly<Record<string, unknown>>) => Promise<Transcriber>
}
type Transcriber = (
  audio: Float32Array,
  options: Readonly<Record<string, unknown>>,
) => Promise<{ readonly text: string }>

/** Runs in a process of its own, and prints a sample: each window by itself, as our engine cuts them, since its own overlap. */
export async function run([json = '']: readonly string[]): Promise<void> {
  const { library, model, recording, dtype } = JSON.parse(json) as Request
  const { env, pipeline } = createRequire(join(library, 'package.json'))(PACKAGE) as Transformers
  env.localModelPath = dirname(model)
  env.allowRemoteModels = false
  const transcriber = await pipeline('automatic-speech-recognition', basename(model), {
    ...{ dtype, device: 'cpu', session_options: { intraOpNumThreads: THREADS, interOpNumThreads: 1 } },
  })
  const options = { language: 'en', task: 'transcribe' }
  await transcriber(await samplesOf(recording.second), options)

  const startMs = performance.now()
  const samples = await samplesOf(recording.path)
  const texts: string[] = []
  for (let from = 0; from < samples.length; from += WINDOW) {
    texts.push((await transcriber(samples.subarray(from, from + WINDOW), options)).text)
  }
  const seconds = (performance.now() - startMs) / 1000
  console.log(JSON.stringify({ seconds, text: texts.join(' '), peakMb: await peakMb(process.pid) }))
}

async function samplesOf(path: string): Promise<Float32Array> {
  const chunks = await Array.fromAsync(decodeAudio(path))
  return Float32Array.from(
    chunks.flatMap((chunk) => [...chunk]),
    (sample) => sample / 32_768,
  )
}
