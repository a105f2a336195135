import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import type { Transcription } from '../../src/whisper/result.ts'
import type { TranscribeOptions } from '../../src/whisper/transcribe.ts'
import { PROJECT } from './server.ts'

const FIXTURES = join(PROJECT, 'test/fixtures/golden')
const FULL_SET = resolve(PROJECT, '../shared/golden')

/** The reference implementation's own answers: options, and what `transcribe()` returned. */
export interface GoldenRun extends Omit<Transcription, 'duration'> {
  readonly name: string
  readonly options: Readonly<Record<string, unknown>>
}

export interface GoldenClip {
  readonly name: string
  /** Path of the recording. */
  readonly path: string
  readonly languageProbs: Readonly<Record<string, number>>
  readonly runs: readonly GoldenRun[]
}

export const folder = existsSync(FULL_SET) ? FULL_SET : FIXTURES

export function goldenClips(): readonly GoldenClip[] {
  const audio = folder === FULL_SET ? resolve(FULL_SET, '../audio') : join(PROJECT, 'test/fixtures/audio')
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json') && file !== 'tensors.json' && file !== 'tokenizer.json')
    .map((file) => {
      const clip = goldenJson<{ file: string; language_probs: Record<string, number>; runs: GoldenRun[] }>(file)
      return {
        name: basename(file, '.json'),
        path: join(audio, clip.file),
        languageProbs: clip.language_probs,
        runs: clip.runs,
      }
    })
}

export function goldenJson<T>(file: string): T {
  return JSON.parse(readFileSync(join(folder, file), 'utf8')) as T
}

export function goldenTensor(file: string): Float32Array {
  return new Float32Array(new Uint8Array(readFileSync(join(FIXTURES, file))).buffer)
}

const HONOURED = new Set([
  ...['language', 'task', 'temperature', 'condition_on_previous_text', 'initial_prompt', 'suppress_tokens'],
  ...['no_speech_threshold', 'logprob_threshold', 'compression_ratio_threshold'],
  ...['beam_size', 'patience', 'length_penalty'],
])

/** The engine's options for a run; undefined when it has one that the engine does not honour. */
export function optionsOf({ options }: GoldenRun): TranscribeOptions | undefined {
  if (Object.keys(options).some((name) => !HONOURED.has(name))) return undefined
  const { language = null, task = 'transcribe', initial_prompt: initialPrompt = null } = options
  const { no_speech_threshold: noSpeechThreshold = 0.6, logprob_threshold: logprobThreshold = -1 } = options
  const list = (options['suppress_tokens'] ?? '-1') as string
  return {
    task: task as TranscribeOptions['task'],
    language: language as string | null,
    initialPrompt: initialPrompt as string | null,
    noSpeechThreshold: noSpeechThreshold as number | null,
    logprobThreshold: logprobThreshold as number | null,
    conditionOnPreviousText: (options['condition_on_previous_text'] ?? true) as boolean,
    temperatures: options['temperature'] as readonly number[],
    compressionRatioThreshold: (options['compression_ratio_threshold'] ?? 2.4) as number | null,
    beamSize: (options['beam_size'] ?? null) as number | null,
    patience: (options['patience'] ?? null) as number | null,
    bestOf: null,
    lengthPenalty: (options['length_penalty'] ?? null) as number | null,
    suppressTokens: list === '' ? [] : list.split(',').map(Number),
  }
}

/** The largest absolute difference. */
export function maxError(got: Float32Array, expected: Float32Array): number {
  if (got.length !== expected.length) return Number.POSITIVE_INFINITY
  return got.reduce((worst, value, index) => Math.max(worst, Math.abs(value - (expected[index] ?? Number.NaN))), 0)
}
