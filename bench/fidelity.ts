import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { DEFAULT_OPTIONS, allGoldenClips, optionsOf } from '../test/support/golden.ts'
import type { GoldenRun } from '../test/support/golden.ts'
import { PROJECT } from '../test/support/server.ts'
import { openFeatures } from '../src/speech/audio/features.ts'
import { WhisperModel } from '../src/models/whisper/model.ts'
import type { TranscribeOptions } from '../src/models/whisper/parameters/options.ts'
import type { WhisperTranscript } from '../src/models/whisper/transcription/whisper-transcript.ts'
import { transcribe } from '../src/models/whisper/transcription/transcribe.ts'

/**
 * Compares the engine with the recorded answers of the reference, parameter by parameter, and reports what differs, as JSON lines
 * and a table; fails when a token does. It goes through the full set of recordings, of which the tests take those of the project.
 *
 *     npm run bench -- fidelity
 */
interface Row {
  readonly parameters: string
  readonly runs: number
  readonly tokens: number
  readonly otherTokens: number
  readonly otherTexts: number
  /** The largest differences: of segments' times and words' times in seconds, of the scores, of the words' probabilities. */
  readonly segmentTimes: number
  readonly wordTimes: number | null
  readonly logprob: number
  readonly noSpeech: number
  readonly wordProbability: number | null
}

export async function run(): Promise<void> {
  await using model = await WhisperModel.load(join(PROJECT, 'models/whisper-demo'), { threads: 2 })
  const rows = new Map<string, Row>()
  for (const clip of allGoldenClips()) {
    await using features = await openFeatures(clip.path, {
      melBands: model.melBands,
      temporaryFolder: tmpdir(),
      maxSeconds: null,
    })
    for (const recorded of clip.runs) {
      const options = optionsOf(recorded)
      const parameters = parametersOf(options, recorded)
      const row = compare(parameters, await transcribe(model, features, options), recorded)
      rows.set(parameters, merge(rows.get(parameters), row))
    }
  }
  for (const row of rows.values()) console.log(JSON.stringify(row))
  console.table([...rows.values()])
  const sum = (of: (row: Row) => number): number => [...rows.values()].reduce((total, row) => total + of(row), 0)
  const [runs, otherTokens] = [sum((row) => row.runs), sum((row) => row.otherTokens)]
  console.log(`${runs} runs; ${otherTokens === 0 ? 'no token differs' : `${otherTokens} tokens differ`}`)
  if (otherTokens > 0) process.exitCode = 1
}

/** What differs from the defaults, without the values that only the recording explains. */
function parametersOf(options: TranscribeOptions, { options: given }: GoldenRun): string {
  const hidden = new Set(['temperature', options.language === DEFAULT_OPTIONS.language ? '' : 'language'])
  const shown = Object.entries(given).filter(([name]) => !hidden.has(name))
  const valueOf = (name: string, value: unknown): string =>
    ['initial_prompt', 'prefix', 'clip_timestamps'].includes(name) ? '' : ` ${JSON.stringify(value)}`
  const text = shown.map(([name, value]) => `${name}${valueOf(name, value)}`).join(', ')
  return (
    `${options.language === null ? 'language detected' : ''}${options.language === null && text !== '' ? ', ' : ''}${text}` ||
    'defaults'
  )
}

function compare(parameters: string, got: WhisperTranscript, expected: GoldenRun): Row {
  const flat = ({ segments }: Pick<WhisperTranscript, 'segments'>): number[] => segments.flatMap(({ tokens }) => tokens)
  const [ours, theirs] = [flat(got), flat(expected)]
  const pairs = expected.segments.map((segment, index) => [segment, got.segments[index]] as const)
  const worst = (differences: readonly number[]): number => differences.reduce((one, other) => Math.max(one, other), 0)
  const between = (of: (segment: WhisperTranscript['segments'][number]) => number): number =>
    worst(pairs.map(([theirOne, ourOne]) => (ourOne === undefined ? Infinity : Math.abs(of(theirOne) - of(ourOne)))))
  const words = pairs.flatMap(([theirOne, ourOne]) =>
    (theirOne.words ?? []).map((word, index) => [word, ourOne?.words?.[index]] as const),
  )
  const ofWords = (
    of: (word: NonNullable<WhisperTranscript['segments'][number]['words']>[number]) => number,
  ): number | null =>
    words.length === 0
      ? null
      : worst(words.map(([their, our]) => (our === undefined ? Infinity : Math.abs(of(their) - of(our)))))
  return {
    parameters,
    runs: 1,
    tokens: theirs.length,
    otherTokens:
      theirs.filter((token, index) => token !== ours[index]).length + Math.max(0, ours.length - theirs.length),
    otherTexts: got.text === expected.text ? 0 : 1,
    segmentTimes: Math.max(
      between(({ start }) => start),
      between(({ end }) => end),
    ),
    wordTimes: maximum(
      ofWords(({ start }) => start),
      ofWords(({ end }) => end),
    ),
    logprob: between(({ avg_logprob }) => avg_logprob),
    noSpeech: between(({ no_speech_prob }) => no_speech_prob),
    wordProbability: ofWords(({ probability }) => probability),
  }
}

function merge(one: Row | undefined, other: Row): Row {
  if (one === undefined) return other
  return {
    parameters: other.parameters,
    runs: one.runs + other.runs,
    tokens: one.tokens + other.tokens,
    otherTokens: one.otherTokens + other.otherTokens,
    otherTexts: one.otherTexts + other.otherTexts,
    segmentTimes: Math.max(one.segmentTimes, other.segmentTimes),
    wordTimes: maximum(one.wordTimes, other.wordTimes),
    logprob: Math.max(one.logprob, other.logprob),
    noSpeech: Math.max(one.noSpeech, other.noSpeech),
    wordProbability: maximum(one.wordProbability, other.wordProbability),
  }
}

function maximum(one: number | null, other: number | null): number | null {
  return one === null || other === null ? (one ?? other) : Math.max(one, other)
}
