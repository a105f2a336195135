import { createHash } from 'node:crypto'
import Type from 'typebox'
import { Check } from 'typebox/value'
import type { AudioFeatures } from '../../../speech/audio/features.ts'
import type { WhisperModel } from '../model.ts'
import type { TranscribeOptions } from '../parameters/options.ts'
import type { DraftSegment } from '../transcription/segments.ts'
import { QUALITY_FLAGS } from '../../../contract/transcript.ts'
import type { QualityFlag } from '../../../contract/transcript.ts'

/** Of the records' form; changes with it, or with what the engine makes of the same window. */
export const RECORD_VERSION = 1

/** A window that is decoded: what it says, and what it leaves behind for the windows after it. */
export interface DecodedWindow {
  /** Index of the clip that it belongs to. */
  readonly clip: number
  /** Where it begins and where the next one of its clip begins, in frames of 10 ms. */
  readonly seek: number
  readonly next: number
  /** Their tokens go on the prompt of the next window. */
  readonly segments: readonly DraftSegment[]
  /** Whether nothing so far, its own tokens included, prompts the next window. */
  readonly resetsPrompt: boolean
  /** Seconds at which the speech so far ends. */
  readonly lastSpeech: number
}

/** JSON has no infinities, no NaN and no −0: they are kept by their names. */
const Real = Type.Union([Type.Number(), Type.Enum(['Infinity', '-Infinity', 'NaN', '-0'])])
const Index = Type.Integer({ minimum: 0 })

const StoredWord = Type.Object({ word: Type.String(), start: Real, end: Real, probability: Real })

const StoredSegment = Type.Object({
  seek: Type.Number(),
  start: Real,
  end: Real,
  text: Type.String(),
  tokens: Type.Array(Index),
  temperature: Real,
  avg_logprob: Real,
  compression_ratio: Real,
  no_speech_prob: Real,
  words: Type.Optional(Type.Array(StoredWord)),
  quality: Type.Array(Type.Enum(QUALITY_FLAGS)),
})

const WindowRecordSchema = Type.Object({
  /** Of all that the windows of a transcription follow from: see `fingerprintOf`. */
  fingerprint: Type.String(),
  /** How many windows were finished before it. */
  ordinal: Index,
  /** Code of the recording's language, given or detected. */
  language: Type.String(),
  /** Seconds of the recording that are done, as progress tells them. */
  seconds: Type.Number(),
  window: Type.Object({
    clip: Index,
    seek: Type.Number(),
    next: Type.Number(),
    segments: Type.Array(StoredSegment),
    resetsPrompt: Type.Boolean(),
    lastSpeech: Real,
  }),
})

/**
 * A decoded window in a form that can be kept: plain JSON of a few kilobytes, which comes back as it was to the last bit. From all of
 * a transcription's so far, in their order, `transcribe()` goes on as if it had not broken off.
 */
export type WindowRecord = Type.Static<typeof WindowRecordSchema>

export function isWindowRecord(value: unknown): value is WindowRecord {
  return Check(WindowRecordSchema, value)
}

export function recordOf(
  { segments, lastSpeech, ...window }: DecodedWindow,
  facts: Omit<WindowRecord, 'window'>,
): WindowRecord {
  const stored = segments.map((segment) => converted(segment, storedReal))
  return { ...facts, window: { ...window, segments: stored, lastSpeech: storedReal(lastSpeech) } }
}

export function windowOf({ window }: WindowRecord): DecodedWindow {
  const segments = window.segments.map((segment) => converted(segment, Number))
  return { ...window, segments, lastSpeech: Number(window.lastSpeech) }
}

/**
 * The same when a transcription's windows are: of the model and what it calculates in, the options and the length of the recording. On
 * what device it calculates does not count: a device that is lost is no reason to begin anew.
 */
export function fingerprintOf(
  { identity }: WhisperModel,
  { durationSeconds }: Pick<AudioFeatures, 'durationSeconds'>,
  options: TranscribeOptions,
): string {
  const names = [...Object.keys(options), ...Object.keys(options.words ?? {})].toSorted()
  // With the names in order, so that the order in which they were given does not count.
  const facts = [identity, durationSeconds, JSON.stringify(options, names)]
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 32)
}

/** A segment whose real numbers are in one form or the other. */
interface SegmentIn<Form> {
  readonly seek: number
  readonly start: Form
  readonly end: Form
  readonly text: string
  readonly tokens: number[]
  readonly temperature: Form
  readonly avg_logprob: Form
  readonly compression_ratio: Form
  readonly no_speech_prob: Form
  readonly words?: WordIn<Form>[]
  readonly quality: QualityFlag[]
}

interface WordIn<Form> {
  readonly word: string
  readonly start: Form
  readonly end: Form
  readonly probability: Form
}

function converted<From, To>(segment: SegmentIn<From>, form: (value: From) => To): SegmentIn<To> {
  const { words, ...rest } = segment
  return {
    ...rest,
    start: form(segment.start),
    end: form(segment.end),
    temperature: form(segment.temperature),
    avg_logprob: form(segment.avg_logprob),
    compression_ratio: form(segment.compression_ratio),
    no_speech_prob: form(segment.no_speech_prob),
    ...(words === undefined ? {} : { words: words.map((word) => convertedWord(word, form)) }),
  }
}

function convertedWord<From, To>(word: WordIn<From>, form: (value: From) => To): WordIn<To> {
  return { ...word, start: form(word.start), end: form(word.end), probability: form(word.probability) }
}

function storedReal(value: number): Type.Static<typeof Real> {
  if (Number.isNaN(value)) return 'NaN'
  if (Object.is(value, -0)) return '-0'
  if (Number.isFinite(value)) return value
  return value > 0 ? 'Infinity' : '-Infinity'
}
