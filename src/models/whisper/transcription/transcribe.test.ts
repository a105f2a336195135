import { cp, open as openFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { join } from 'node:path'
import { DEFAULT_OPTIONS, goldenClips, optionsOf } from '../../../../test/support/golden.ts'
import { explainMismatch } from '../../../../test/support/explain-mismatch.ts'
import { PlainWhisper } from '../../../../test/support/plain-whisper.ts'
import { fixture } from '../../../../test/support/clips.ts'
import { PROJECT, temporaryFolder } from '../../../../test/support/server.ts'
import { openFeatures } from '../../../speech/audio/features.ts'
import type { AudioFeatures } from '../../../speech/audio/features.ts'
import { readWhisperWeights } from '../weights/whisper-weights.ts'
import { detectLanguage } from '../decoding/detect-language.ts'
import { WhisperModel } from '../model.ts'
import type { TranscribeOptions } from '../parameters/options.ts'
import type { WhisperTranscript } from './whisper-transcript.ts'
import { transcribe } from './transcribe.ts'

let model: WhisperModel

beforeAll(async () => {
  model = await WhisperModel.load(join(PROJECT, 'models/whisper-demo'), { threads: 1 })
})
afterAll(() => model[Symbol.asyncDispose]())

const open = (path: string) => openFeatures(path, { melBands: 80, temporaryFolder: tmpdir(), maxSeconds: null })

const loadPlain = () => PlainWhisper.load(join(PROJECT, 'models/whisper-demo'))

describe.each(goldenClips())('$name, as the reference transcribes it', (clip) => {
  /** Once for all runs: to decode and to analyse the recording takes as long as many a run. */
  let features: AudioFeatures
  beforeAll(async () => {
    features = await open(clip.path)
  })
  afterAll(() => features[Symbol.asyncDispose]())

  test.each(clip.runs)('$name', async (run) => {
    const options = optionsOf(run)
    const got = await transcribe(model, features, options)

    const context = { model, plain: loadPlain, features, options }
    expect(await explainMismatch(context, got, run)).toBeUndefined()
    expect(got.text).toBe(run.text)
    expect(got.language).toBe(run.language)
    expect(got.segments).toHaveLength(run.segments.length)
    for (const [index, segment] of got.segments.entries()) {
      const expected = run.segments[index]
      expect(segment).toMatchObject({
        id: expected?.id,
        seek: expected?.seek,
        text: expected?.text,
        tokens: expected?.tokens,
      })
      expect(segment.start).toBeCloseTo(expected?.start ?? Number.NaN, 6)
      expect(segment.end).toBeCloseTo(expected?.end ?? Number.NaN, 6)
      expect(segment.avg_logprob).toBeCloseTo(expected?.avg_logprob ?? Number.NaN, 3)
      expect(segment.no_speech_prob).toBeCloseTo(expected?.no_speech_prob ?? Number.NaN, 3)
      expect(segment.compression_ratio).toBeCloseTo(expected?.compression_ratio ?? Number.NaN, 9)
      if (options.words === null) continue
      expect(segment.words?.map(({ word }) => word)).toEqual(expected?.words?.map(({ word }) => word))
      for (const [at, { start, end, probability }] of (segment.words ?? []).entries()) {
        const word = expected?.words?.[at]
        expect(Math.abs(start - (word?.start ?? Number.NaN))).toBeLessThan(0.0201)
        expect(Math.abs(end - (word?.end ?? Number.NaN))).toBeLessThan(0.0201)
        expect(probability).toBeCloseTo(word?.probability ?? Number.NaN, 3)
      }
    }
  })

  test('probabilities of the languages', async () => {
    using slot = model.slot()
    await slot.encode(await features.firstWindow())
    const found = new Map(
      (await detectLanguage(model, slot)).map(({ language, probability }) => [language, probability]),
    )
    for (const [language, probability] of Object.entries(clip.languageProbs)) {
      expect(found.get(language)).toBeCloseTo(probability, 3)
    }
  })
})

test('a mismatch is told with the five most probable tokens of the engine and of 64-bit arithmetic', async () => {
  const clip = goldenClips().find(({ name }) => name === 'es-short')
  const run = clip?.runs.find(({ name }) => name === 'greedy')
  if (clip === undefined || run === undefined) throw new Error('the recording is missing')
  await using features = await open(clip.path)
  const [first] = run.segments
  const other = { ...run, segments: [{ ...first!, tokens: [...first!.tokens.slice(0, 4), 11] }] }
  const text = await explainMismatch({ model, plain: loadPlain, features, options: optionsOf(run) }, other, run)
  const [summary, engine = '', plain = ''] = text?.split('\n') ?? []
  const right = String(first?.tokens[4])
  expect(summary).toMatch(new RegExp(`^token 4 is 11 "[^"]*" instead of ${right} "`))
  expect(engine).toMatch(new RegExp(`^top 5 of the engine: ${right} .*( at -?\\d+\\.\\d+.*){4}`))
  const namesOf = (line: string): string => line.replace(/^[^:]*/, '').replaceAll(/ at -?[\d.]+/g, '')
  expect(namesOf(plain)).toBe(namesOf(engine))
})

describe('beyond the recorded runs', () => {
  const clipOf = (name: string): string => goldenClips().find((clip) => clip.name === name)?.path ?? ''
  const textOf = async (name: string, options: Partial<TranscribeOptions>): Promise<WhisperTranscript> => {
    await using features = await open(clipOf(name))
    return await transcribe(model, features, { ...DEFAULT_OPTIONS, ...options })
  }

  test('a seed draws the same samples again, another one others', async () => {
    const hot = { temperatures: [1], bestOf: 2, logprobThreshold: null, compressionRatioThreshold: null }
    const first = await textOf('es-short', { ...hot, seed: 1 })
    expect(await textOf('es-short', { ...hot, seed: 1 })).toEqual(first)
    expect((await textOf('es-short', { ...hot, seed: 2 })).text).not.toBe(first.text)
  })

  test('a failed window is decoded again at each temperature of the list, and the last one stands', async () => {
    const { segments } = await textOf('es-short', { temperatures: [0, 0.3, 0.7], logprobThreshold: 0, sampleLength: 4 })
    expect(new Set(segments.map(({ temperature }) => temperature))).toEqual(new Set([0.7]))
  })

  test('a clip behind the end of the recording is empty', async () => {
    expect(await textOf('en-short', { clipTimestamps: [100, 200] })).toMatchObject({ text: '', segments: [] })
  })

  test('clips that name the same stretch again and again are refused before the first window', async () => {
    let windows = 0
    await using features = await open(clipOf('en-short'))
    const clipTimestamps = Array.from({ length: 100 }, () => [0, 3]).flat()
    const failure = transcribe(
      model,
      features,
      { ...DEFAULT_OPTIONS, clipTimestamps },
      { onWindow: () => (windows += 1) },
    )
    await expect(failure).rejects.toMatchObject({
      code: 'job.over_budget',
      message: expect.stringContaining('100 windows'),
    })
    expect(windows).toBe(0)
  })

  test('what each of many windows falls back to comes to an end', async () => {
    const clipTimestamps = Array.from({ length: 30 }, () => [0, 3]).flat()
    const failure = textOf('en-short', {
      clipTimestamps,
      temperatures: [0, 0.3, 0.7],
      logprobThreshold: 0,
      sampleLength: 4,
    })
    await expect(failure).rejects.toMatchObject({ code: 'job.over_budget', retryable: false })
  })

  test('a silence threshold of 0 comes to an end', async () => {
    const words = { prependPunctuations: '', appendPunctuations: '', hallucinationSilenceThreshold: 0 }
    expect((await textOf('en-silence-middle', { words })).segments.length).toBeGreaterThan(0)
  })

  test('a token that the model does not have is refused by its number', async () => {
    const failure = textOf('en-short', { suppressTokens: [-1, 2397] })
    await expect(failure).rejects.toMatchObject({
      code: 'input.invalid',
      message: 'input.suppress_tokens names the token 2397; the model’s tokens go from 0 to 2396.',
    })
  })

  test('a prefix that fills the context is refused', async () => {
    await expect(textOf('en-short', { prefix: 'zq'.repeat(400) })).rejects.toMatchObject({
      code: 'input.invalid',
      message: expect.stringMatching(/^input\.prefix has \d+ tokens/),
    })
  })
})

test('clips that do not depend on each other are decoded together, and give what each gives alone', async () => {
  // Two threads give what one gives, as well.
  await using roomy = await WhisperModel.load(join(PROJECT, 'models/whisper-demo'), { threads: 2, slots: 4 })
  await using features = await open(goldenClips().find(({ name }) => name === 'es-long')?.path ?? '')
  const clipTimestamps = [0, 9, 9, 20, 20, 31, 33]
  const options = { ...DEFAULT_OPTIONS, language: 'es', conditionOnPreviousText: false, beamSize: 3, clipTimestamps }
  let inside = 0
  let most = 0
  const enterWindow = (): Promise<Disposable> => {
    inside += 1
    most = Math.max(most, inside)
    return Promise.resolve({ [Symbol.dispose]: () => (inside -= 1) })
  }
  const together = await transcribe(roomy, features, options, { enterWindow })
  expect(most).toBe(4)
  const alone = await transcribe(model, features, options)
  expect(together.segments.map(({ id, seek, tokens }) => ({ id, seek, tokens }))).toEqual(
    alone.segments.map(({ id, seek, tokens }) => ({ id, seek, tokens })),
  )
  expect(together.text).toBe(alone.text)

  // A prompt goes on with the text before it, and words look back at the speech before them.
  const words = { prependPunctuations: '', appendPunctuations: '', hallucinationSilenceThreshold: null }
  const two = { ...options, clipTimestamps: [0, 3, 9, 12] }
  for (const dependent of [{ conditionOnPreviousText: true }, { words }, { initialPrompt: 'Hola.' }]) {
    most = 0
    await transcribe(roomy, features, { ...two, ...dependent }, { enterWindow })
    expect(most).toBe(1)
  }
  await transcribe(roomy, features, { ...two, initialPrompt: 'Hola.', carryInitialPrompt: true }, { enterWindow })
  expect(most).toBe(2)
})

test('progress goes up to the end of the recording', async () => {
  const [clip] = goldenClips().filter(({ name }) => name === 'es-long')
  await using features = await open(clip?.path ?? '')
  const seconds: number[] = []
  await transcribe(
    model,
    features,
    { ...DEFAULT_OPTIONS, language: 'es' },
    { onProgress: (progress) => seconds.push(progress.seconds) },
  )
  expect(seconds.length).toBeGreaterThan(1)
  expect(seconds).toEqual(seconds.toSorted((one, other) => one - other))
  expect(seconds.at(-1)).toBeCloseTo(features.durationSeconds, 1)
})

test('an abort ends it between two steps', async () => {
  const [clip] = goldenClips().filter(({ name }) => name === 'es-long')
  await using features = await open(clip?.path ?? '')
  const controller = new AbortController()
  const transcription = transcribe(
    model,
    features,
    { ...DEFAULT_OPTIONS, language: 'es' },
    { signal: controller.signal, onProgress: () => controller.abort(new Error('enough')) },
  )
  await expect(transcription).rejects.toThrow('enough')
})

describe('tokens of which none may come next', () => {
  test.each([
    ['greedily', {}],
    ['by beams', { beamSize: 5 }],
    ['by samples', { temperatures: [0.5], bestOf: 2 }],
  ])('are refused by name, instead of a result that is none: %s', async (_, options) => {
    await using features = await open(fixture('en-short.wav'))
    const suppressTokens = Array.from({ length: 51 }, (_unused, index) => model.tokenizer.timestampBegin + index)
    const transcription = transcribe(model, features, {
      ...DEFAULT_OPTIONS,
      language: 'en',
      ...options,
      suppressTokens,
    })
    await expect(transcription).rejects.toMatchObject({
      code: 'input.invalid',
      retryable: false,
      message: expect.stringContaining('suppress_tokens'),
    })
  })
})

describe('a model with a weight that is no number', () => {
  test.each(['encoder.conv1.bias', 'decoder.layer_norm.weight'])('says so at once: %s', async (tensor) => {
    await using folder = await temporaryFolder()
    const copy = join(folder.path, 'copy')
    await cp(join(PROJECT, 'models/whisper-demo'), copy, { recursive: true })
    const { file, offset } = (await readWhisperWeights(copy)).tensors.get(tensor) ?? { file: 'nowhere', offset: 0 }
    await using weights = await openFile(file, 'r+')
    await weights.write(Buffer.alloc(4, 255), 0, 4, offset)
    await using broken = await WhisperModel.load(copy, { threads: 1 })
    await using features = await open(fixture('en-short.wav'))
    const transcription = transcribe(broken, features, { ...DEFAULT_OPTIONS, language: 'en' })
    await expect(transcription).rejects.toMatchObject({ code: 'checkpoint.damaged', retryable: false })
  })
})

test('a language that the model does not know is refused', async () => {
  const [clip] = goldenClips().filter(({ name }) => name === 'en-short')
  await using features = await open(clip?.path ?? '')
  const transcription = transcribe(model, features, { ...DEFAULT_OPTIONS, language: 'yue' })
  await expect(transcription).rejects.toMatchObject({ code: 'checkpoint.unsupported' })
})
