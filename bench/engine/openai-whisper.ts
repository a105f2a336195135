import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { THREADS } from './machine.ts'
import type { Sample, Side } from './measurements.ts'
import type { Parameters, Recording } from './sotto.ts'

/** Path of a Python that can import `whisper`, `torch` and `tiktoken`. */
export const OPENAI_WHISPER = 'SOTTO_BENCH_OPENAI_WHISPER'

const DRIVER = join(import.meta.dirname, 'openai-whisper.py')

/** @param model a folder in the Hugging Face layout */
export function openaiWhisperSide(python: string, model: string, recording: Recording, parameters: Parameters): Side {
  const request = {
    ...{ model, audio: recording.path, second: recording.second, threads: THREADS },
    options: {
      ...{ language: 'en', temperature: [0], beam_size: parameters.beamSize },
      condition_on_previous_text: parameters.conditionOnPreviousText,
      without_timestamps: parameters.withoutTimestamps,
    },
  }
  return {
    name: 'openai/whisper, float32',
    run: async () => {
      const { stdout } = await promisify(execFile)(python, [DRIVER, JSON.stringify(request)], { maxBuffer: 2 ** 26 })
      return JSON.parse(stdout) as Sample
    },
  }
}

export async function openaiWhisperVersion(python: string): Promise<string> {
  const code = 'import torch, whisper; print(f"openai/whisper {whisper.__version__}, torch {torch.__version__}")'
  const { stdout } = await promisify(execFile)(python, ['-c', code])
  return stdout.trim()
}
