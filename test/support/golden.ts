import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import type { WhisperTranscript } from '../../src/models/whisper/transcription/whisper-transcript.ts'
import type { TranscribeOptions } from '../../src/models/whisper/parameters/options.ts'
import { transcribeOptions } from '../../src/models/whisper/parameters/transcribe-options.ts'
import { createCatalogue } from '../../src/models/catalogue.ts'
import { parseWhisperInput } from '../../src/models/whisper/parameters/whisper-parameters.ts'
import type { WhisperInput } from '../../src/models/whisper/parameters/whisper-parameters.ts'
import { PROJECT } from './server.ts'

const FIXTURES = join(PROJECT, 'test/fixtures/golden')
/** Of more and longer recordings; beside a development checkout alone. */
const FULL_SET = resolve(PROJECT, '../shared/golden')

/** The reference implementation's own answers: options, and what `transcribe()` returned. */
export interface GoldenRun extends Omit<WhisperTranscript, 'duration'> {
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

interface RecordedClip {
  readonly file: string
  readonly language_probs: Readonly<Record<string, number>>
  readonly runs: readonly GoldenRun[]
}

const demo = createCatalogue([]).find('sotto/whisper-demo')

/** Those that come with the project: every option of the full set, and all that its recordings have but length. */
export function goldenClips(): readonly GoldenClip[] {
  return clipsIn(FIXTURES, join(PROJECT, 'test/fixtures/audio'))
}

/** All that were recorded, where they are; `npm run bench -- fidelity` goes through them. */
export function allGoldenClips(): readonly GoldenClip[] {
  return existsSync(FULL_SET) ? clipsIn(FULL_SET, resolve(FULL_SET, '../audio')) : goldenClips()
}

function clipsIn(golden: string, audio: string): readonly GoldenClip[] {
  return readdirSync(golden)
    .filter((file) => file.endsWith('.json') && file !== 'tensors.json' && file !== 'tokenizer.json')
    .map((file) => {
      const clip = JSON.parse(readFileSync(join(golden, file), 'utf8')) as RecordedClip
      return {
        name: basename(file, '.json'),
        path: join(audio, clip.file),
        languageProbs: clip.language_probs,
        runs: clip.runs,
      }
    })
}

export function goldenJson<T>(file: string): T {
  return JSON.parse(readFileSync(join(FIXTURES, file), 'utf8')) as T
}

export function goldenTensor(file: string): Float32Array {
  return new Float32Array(new Uint8Array(readFileSync(join(FIXTURES, file))).buffer)
}

/** A job's parameters for a run, whose options are the reference's. */
export function parametersOf({ options }: Pick<GoldenRun, 'options'>): WhisperInput {
  if (demo === undefined) throw new Error('the catalogue lacks the demo model')
  return parseWhisperInput(options, demo)
}

/** The engine's options for a run, whose own are the reference's. */
export function optionsOf(run: Pick<GoldenRun, 'options'>): TranscribeOptions {
  return transcribeOptions(parametersOf(run))
}

/** The reference's defaults, without the fallback to higher temperatures, which would draw samples. */
export const DEFAULT_PARAMETERS = parametersOf({ options: { temperature: [0] } })
export const DEFAULT_OPTIONS = optionsOf({ options: { temperature: [0] } })

/** The largest absolute difference. */
export function maxError(got: Float32Array, expected: Float32Array): number {
  if (got.length !== expected.length) return Number.POSITIVE_INFINITY
  return got.reduce((worst, value, index) => Math.max(worst, Math.abs(value - (expected[index] ?? Number.NaN))), 0)
}
