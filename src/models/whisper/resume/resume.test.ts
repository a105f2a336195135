import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fixture } from '../../../../test/support/clips.ts'
import { DEFAULT_OPTIONS } from '../../../../test/support/golden.ts'
import { writeJoined } from '../../../../test/support/joined-clip.ts'
import { PROJECT } from '../../../../test/support/server.ts'
import type { ResumePoint } from '../../../contract/resume-point.ts'
import { passageOf } from '../../../contract/transcript.ts'
import type { Passage } from '../../../contract/transcript.ts'
import { openFeatures } from '../../../speech/audio/features.ts'
import type { AudioFeatures } from '../../../speech/audio/features.ts'
import { WhisperModel } from '../model.ts'
import type { TranscribeOptions } from '../parameters/options.ts'
import type { WhisperTranscript } from '../transcription/whisper-transcript.ts'
import { transcribe } from '../transcription/transcribe.ts'
import { finishedWindow, recordsOf } from './resume-points.ts'
import type { WindowRecord } from './window-record.ts'

const DEMO = join(PROJECT, 'models/whisper-demo')

let folder: string
let model: WhisperModel
/** Has room for four windows of a recording at the same time, and more in reserve. */
let roomy: WhisperModel
const opened = new Map<string, Promise<AudioFeatures>>()

/** Once for all tests. */
async function open(path: string): Promise<AudioFeatures> {
  const options = { melBands: 80, temporaryFolder: folder, maxSeconds: null }
  if (!opened.has(path)) opened.set(path, openFeatures(path, options))
  return await opened.get(path)!
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sotto-resume-'))
  model = await WhisperModel.load(DEMO, { threads: 1 })
  roomy = await WhisperModel.load(DEMO, { threads: 1, slots: 4 })
})
afterAll(async () => {
  for (const features of opened.values()) await (await features)[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
  await roomy[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

interface Run {
  readonly result: WhisperTranscript
  readonly records: readonly WindowRecord[]
  /** What each of its windows told. */
  readonly passages: readonly Passage[]
  /** Windows that were encoded: to be decoded, and to detect the language. */
  readonly windows: number
  readonly detections: number
}

interface Case {
  readonly path: string
  readonly options: TranscribeOptions
  readonly on?: () => WhisperModel
}

async function run({ path, options, on = () => model }: Case, resumeFrom?: readonly WindowRecord[]): Promise<Run> {
  const features = await open(path)
  const count = { windows: 0, detections: 0 }
  const counting: typeof features = {
    ...{ durationSeconds: features.durationSeconds, contentFrames: features.contentFrames, melBands: 80, warnings: [] },
    window: (seek, frames) => {
      count.windows += 1
      return features.window(seek, frames)
    },
    firstWindow: () => {
      count.detections += 1
      return features.firstWindow()
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
  const records: WindowRecord[] = []
  const passages: Passage[] = []
  const onWindow = (record: WindowRecord, passage: Passage): void => {
    records.push(record)
    passages.push(passage)
  }
  const control = { onWindow, ...(resumeFrom && { resumeFrom }) }
  const result = await transcribe(on(), counting, options, control)
  return { result, records, passages, ...count }
}

/** As they come back from where they were kept. */
function kept(records: readonly WindowRecord[]): readonly WindowRecord[] {
  const points = records.map((record) => finishedWindow(record, { firstSegment: 0, segments: [] }).resumePoint)
  const read = recordsOf(JSON.parse(JSON.stringify(points)) as ResumePoint[])
  if (read.length < records.length) throw new Error('a resume point can’t be read')
  return read
}

async function expectSame(of: Case, undisturbed: Run, windows: number): Promise<Run> {
  const resumed = await run(of, kept(undisturbed.records.slice(0, windows)))
  expect(resumed.result).toEqual(undisturbed.result)
  expect(JSON.stringify(resumed.result)).toBe(JSON.stringify(undisturbed.result))
  expect(resumed.windows).toBe(undisturbed.windows - windows)
  expectWhole([...undisturbed.passages.slice(0, windows), ...resumed.passages], undisturbed.result)
  return resumed
}

/** Nothing of the transcript is told twice, nor left out, nor in another order. */
function expectWhole(passages: readonly Passage[], { segments }: Run['result']): void {
  expect(passages.flatMap((passage) => passage.segments)).toEqual(passageOf(segments, 0).segments)
  const places = passages.flatMap(({ firstSegment, segments: [first] }) => (first ? [[firstSegment, first.id]] : []))
  expect(places.every(([place, id]) => place === id)).toBe(true)
}

const ES_LONG = fixture('es-long.mp3')
const SPANISH = { ...DEFAULT_OPTIONS, language: 'es' }
/** Lets few tokens be sampled, so that half a minute has many windows. */
const SHORT_WINDOWS = { sampleLength: 32, clipTimestamps: [0, 22] }
const CLIPS = { sampleLength: 60, clipTimestamps: [0, 9, 9, 20, 20, 28] }
const WORDS = { prependPunctuations: '"“(', appendPunctuations: '".,?!', hallucinationSilenceThreshold: null }

const CASES: Readonly<Record<string, Case & { readonly least: number }>> = {
  'greedy, prompted by the text so far': { path: ES_LONG, options: { ...SPANISH, ...SHORT_WINDOWS }, least: 4 },
  'not prompted': {
    path: ES_LONG,
    options: { ...SPANISH, ...SHORT_WINDOWS, conditionOnPreviousText: false },
    least: 4,
  },
  'beam search': { path: ES_LONG, options: { ...SPANISH, ...SHORT_WINDOWS, beamSize: 3, patience: 1.5 }, least: 4 },
  'samples of a seed': {
    path: ES_LONG,
    options: { ...SPANISH, ...SHORT_WINDOWS, temperatures: [0.4], bestOf: 2, seed: 7 },
    least: 4,
  },
  'fallback to temperatures of which some reset the prompt': {
    path: ES_LONG,
    options: { ...SPANISH, sampleLength: 48, temperatures: [0, 0.4, 0.8], logprobThreshold: -0.08, seed: 3 },
    // Three of the seven windows are at 0.8.
    least: 7,
  },
  words: { path: ES_LONG, options: { ...SPANISH, ...SHORT_WINDOWS, words: WORDS }, least: 4 },
  'words, behind silence that is skipped': {
    path: fixture('en-silence-middle.flac'),
    options: { ...DEFAULT_OPTIONS, language: 'en', words: { ...WORDS, hallucinationSilenceThreshold: 0.5 } },
    least: 3,
  },
  'the language detected': { path: ES_LONG, options: { ...DEFAULT_OPTIONS, language: null }, least: 2 },
  'an initial prompt': {
    path: ES_LONG,
    options: { ...SPANISH, ...SHORT_WINDOWS, initialPrompt: 'Buenos días.' },
    least: 4,
  },
  'an initial prompt for the first window alone': {
    path: ES_LONG,
    options: { ...SPANISH, ...CLIPS, initialPrompt: 'Buenos días.', conditionOnPreviousText: false },
    on: () => roomy,
    least: 4,
  },
  'an initial prompt that is carried': {
    path: ES_LONG,
    options: { ...SPANISH, ...SHORT_WINDOWS, initialPrompt: 'Buenos días.', carryInitialPrompt: true },
    least: 4,
  },
  'clips, prompted by those before them': {
    path: ES_LONG,
    options: { ...SPANISH, ...CLIPS },
    on: () => roomy,
    least: 4,
  },
  'without timestamps, from a prefix on': {
    path: ES_LONG,
    options: { ...SPANISH, withoutTimestamps: true, prefix: 'La', clipTimestamps: [0, 5, 5, 10, 10, 15, 15] },
    least: 4,
  },
  'silence and noise alone': { path: fixture('noise.webm'), options: DEFAULT_OPTIONS, least: 1 },
}

describe.each(Object.entries(CASES))('%s', (_, of) => {
  test('goes on behind any window as if it had not broken off', async () => {
    const undisturbed = await run(of)
    const { records, windows } = undisturbed
    expect(windows).toBeGreaterThanOrEqual(of.least)
    expect(records.map(({ ordinal }) => ordinal)).toEqual([...Array(windows).keys()])
    for (let done = 0; done <= windows; done++) {
      const resumed = await expectSame(of, undisturbed, done)
      expect(resumed.records).toEqual(records.slice(done))
      // The language is in the records.
      expect(resumed.detections).toBe(done === 0 ? undisturbed.detections : 0)
    }
  })
})

describe('clips that are decoded together', () => {
  test.each([
    ['without a prompt', {}],
    ['with a prompt that is carried', { initialPrompt: 'Buenos días.', carryInitialPrompt: true }],
    ['with samples', { temperatures: [0.6], bestOf: 2, seed: 11 }],
  ])('%s: go on behind any window, on any number of slots', async (_, given) => {
    const options = { ...SPANISH, ...CLIPS, conditionOnPreviousText: false, ...given }
    const together = { path: ES_LONG, options, on: () => roomy }
    const undisturbed = await run(together)
    const clips = undisturbed.records.map(({ window }) => window.clip)
    expect(clips).not.toEqual(clips.toSorted((one, other) => one - other))
    for (let done = 0; done <= undisturbed.windows; done++) {
      await expectSame({ ...together, on: () => (done % 2 === 0 ? model : roomy) }, undisturbed, done)
    }
  })
})

test('breaks off again and again, and goes on each time from all that was kept', async () => {
  const path = join(folder, 'joined.wav')
  await writeJoined(path, ['es-long.mp3', 'es-short.ogg'].map(fixture))
  const of = { path, options: { ...SPANISH, sampleLength: 40 } }
  const undisturbed = await run(of)
  expect(undisturbed.windows).toBeGreaterThan(6)
  const all: WindowRecord[] = []
  const features = await open(path)
  for (let round = 0; all.length < undisturbed.windows; round++) {
    const stop = new AbortController()
    const onWindow = (record: WindowRecord): void => {
      all.push(record)
      if (all.length < undisturbed.windows) stop.abort(new Error('enough'))
    }
    const control = { resumeFrom: kept(all), signal: stop.signal, onWindow }
    const outcome = await transcribe(model, features, of.options, control).catch(String)
    expect(outcome).toEqual(all.length === undisturbed.windows ? undisturbed.result : 'Error: enough')
    expect(all).toHaveLength(round + 1)
  }
  expect(all).toEqual(undisturbed.records)
})

test('any options, broken off anywhere', async () => {
  const options = fc.record({
    language: fc.constantFrom('es', null),
    temperatures: fc.constantFrom([0], [0.3], [0, 0.9]),
    logprobThreshold: fc.constantFrom(null, -0.1, -1),
    conditionOnPreviousText: fc.boolean(),
    initialPrompt: fc.constantFrom(null, 'Buenos días.'),
    carryInitialPrompt: fc.boolean(),
    sampleLength: fc.constantFrom(null, 16, 30),
    beamSize: fc.constantFrom(null, 2),
    bestOf: fc.constantFrom(null, 2),
    seed: fc.integer({ min: 0, max: 2 ** 31 }),
    clipTimestamps: fc
      .uniqueArray(fc.integer({ min: 0, max: 12 }), { maxLength: 5 })
      .map((list) => list.toSorted((one, other) => one - other)),
    words: fc.constantFrom(null, WORDS, { ...WORDS, hallucinationSilenceThreshold: 0.2 }),
  })
  const anywhere = fc.asyncProperty(options, fc.double({ min: 0, max: 1, noNaN: true }), async (given, share) => {
    const of = { path: fixture('es-short.ogg'), options: { ...DEFAULT_OPTIONS, ...given }, on: () => roomy }
    const undisturbed = await run(of)
    await expectSame(of, undisturbed, Math.round(share * undisturbed.windows))
  })
  await fc.assert(anywhere, { numRuns: 12 })
})

describe('what does not fit is left out', () => {
  const of = { path: ES_LONG, options: { ...SPANISH, ...SHORT_WINDOWS } }
  let undisturbed: Run
  beforeAll(async () => {
    undisturbed = await run(of)
  })

  test('windows of other options', async () => {
    const other = await run({ ...of, options: { ...of.options, seed: 1 } }, undisturbed.records)
    expect(other.windows).toBe(undisturbed.windows)
  })

  test('windows of another recording', async () => {
    const path = fixture('es-short.ogg')
    const other = await run({ ...of, path }, undisturbed.records)
    expect(other.result).toEqual((await run({ ...of, path })).result)
  })

  test('windows of another model, or of other arithmetic', async () => {
    await using quantised = await WhisperModel.load(DEMO, { threads: 1, precision: 'q8', cacheFolder: folder })
    const on = (): WhisperModel => quantised
    const other = await run({ ...of, on }, undisturbed.records)
    expect(other.result).toEqual((await run({ ...of, on })).result)
  })

  test('windows behind a gap, and those that come twice', async () => {
    const [first, second, third, ...others] = undisturbed.records
    for (const records of [
      [first!, third!, ...others],
      [first!, first!, second!],
      [first!, third!, second!],
    ]) {
      const resumed = await run(of, records)
      expect(resumed.result).toEqual(undisturbed.result)
      expect(resumed.windows).toBe(undisturbed.windows - 1)
    }
  })

  test('not the same options in another order', async () => {
    const options = Object.fromEntries(Object.entries(of.options).toReversed()) as unknown as TranscribeOptions
    const resumed = await run({ ...of, options }, undisturbed.records)
    expect(resumed.windows).toBe(0)
  })
})
