import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clips } from '../../../test/support/clips.ts'
import { DEFAULT_OPTIONS } from '../../../test/support/golden.ts'
import { PlainWhisper } from '../../../test/support/plain-whisper.ts'
import { LAYOUTS, SMALL_LAYOUT, writeRandomModel } from '../../../test/support/random-model.ts'
import type { ModelForm } from '../../../test/support/random-model.ts'
import { openFeatures } from '../../speech/audio/features.ts'
import { WhisperModel } from './model.ts'
import { transcribe } from './transcription/transcribe.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sotto-shapes-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** The largest difference, relative to the largest value. */
function relativeError(got: Float32Array, expected: Float64Array): number {
  expect(got).toHaveLength(expected.length)
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  return expected.reduce((worst, value, index) => Math.max(worst, Math.abs(value - got[index]!)), 0) / largest
}

describe('agrees with a plain forward pass in 64-bit numbers', () => {
  const forms: readonly (readonly [string, ModelForm])[] = [
    ['float32', { type: 'F32' }],
    ['float16', { type: 'F16' }],
    ['bfloat16', { type: 'BF16' }],
    ['float32 in three shards', { type: 'F32', shards: 3 }],
    ['float16 in two shards', { type: 'F16', shards: 2 }],
  ]
  describe.each(forms)('%s', (name, form) => {
    const tokens = [301, 302, 305, 17, 4, 200, 299, 130, 42, 9]
    let plain: PlainWhisper
    let model: WhisperModel
    let mel: Float32Array
    let encoded: Float64Array
    let expected: Float64Array

    beforeAll(async () => {
      const path = join(folder, name)
      await writeRandomModel(path, SMALL_LAYOUT, form)
      plain = await PlainWhisper.load(path)
      model = await WhisperModel.load(path, { threads: 1 })
      const values = SMALL_LAYOUT.melBins * 2 * SMALL_LAYOUT.audioContext
      mel = Float32Array.from({ length: values }, (_, index) => Math.sin(index * index))
      encoded = plain.encode(mel)
      expected = plain.logits(encoded, tokens)
    })
    afterAll(() => model[Symbol.asyncDispose]())

    test('an expected speed, however short the contexts are, which leaves the slot free', async () => {
      expect(await model.expectedSpeed()).toBeGreaterThan(0)
      expect(await model.expectedSpeed()).toBeLessThan(Infinity)
    })

    test('the encoder', async () => {
      using slot = model.slot()
      expect(relativeError(await slot.encode(mel), encoded)).toBeLessThan(1e-5)
    })

    test('the decoder, all tokens at once', async () => {
      using slot = model.slot()
      await slot.encode(mel)
      expect(
        relativeError((await slot.read(tokens, [...tokens.keys()], { wantsLogits: true })).logits, expected),
      ).toBeLessThan(1e-5)
    })

    test('the decoder with its cache, in steps of one and more', async () => {
      using slot = model.slot()
      await slot.encode(mel)
      const parts = [tokens.slice(0, 4), ...tokens.slice(4, 7).map((token) => [token]), tokens.slice(7)]
      const logits = []
      for (const part of parts) logits.push(...(await slot.read(part, [...part.keys()], { wantsLogits: true })).logits)
      expect(relativeError(Float32Array.from(logits), expected)).toBeLessThan(1e-5)
    })

    test('the decoder with several sequences that change places', async () => {
      using slot = model.slot()
      await slot.encode(mel)
      const [begin, one, other] = [tokens.slice(0, 3), [7, 8], [9, 10]]
      await slot.read(begin, [0])
      slot.rearrange([0, 0])
      await slot.read([one[0]!, other[0]!], [0])
      slot.rearrange([1, 0])
      const { logits: got } = await slot.read([other[1]!, one[1]!], [0], { wantsLogits: true })
      const { nVocab } = model.dimensions
      for (const [row, rest] of [other, one].entries()) {
        const last = plain.logits(encoded, [...begin, ...rest]).subarray(-nVocab)
        expect(relativeError(got.subarray(row * nVocab, (row + 1) * nVocab), last)).toBeLessThan(1e-5)
      }
    })
  })
})

describe.each([
  ['tiny', { type: 'F32' }],
  ['tiny.en', { type: 'F16' }],
  ['small-cut', { type: 'BF16' }],
  ['large-v3-cut', { type: 'F16', shards: 3 }],
] as const)('the shape of %s', (name, form) => {
  const layout = LAYOUTS[name]
  const path = (): string => join(folder, name)
  beforeAll(() => writeRandomModel(path(), layout, form))
  afterAll(() => rm(path(), { recursive: true }))

  test('loads and transcribes, with words and beams', async () => {
    await using model = await WhisperModel.load(path(), { threads: 1 })
    expect(model.melBands).toBe(layout.melBins)
    expect(model.isMultilingual).toBe(layout.isMultilingual)
    expect(model.tokenizer.languages.size).toBe(layout.isMultilingual ? layout.languages : 0)
    expect(model.tokenizer.timestampBegin).toBe(model.dimensions.nVocab - layout.timestamps)
    const [clip] = clips(5)
    await using features = await openFeatures(clip?.path ?? '', {
      melBands: model.melBands,
      temporaryFolder: folder,
      maxSeconds: null,
    })
    const options = { ...DEFAULT_OPTIONS, beamSize: 3, sampleLength: 8, noSpeechThreshold: null }
    const words = { prependPunctuations: '', appendPunctuations: '', hallucinationSilenceThreshold: null }
    const { language, segments } = await transcribe(model, features, { ...options, words })
    expect(layout.isMultilingual || language === 'en').toBe(true)
    expect(segments.length).toBeGreaterThan(0)
    for (const { tokens, avg_logprob, words: timed = [] } of segments) {
      expect(Math.max(...tokens)).toBeLessThan(model.dimensions.nVocab)
      expect(avg_logprob).toBeLessThan(0)
      for (const { start, end, probability } of timed) {
        expect(end).toBeGreaterThanOrEqual(start)
        expect(probability).toBeGreaterThan(0)
      }
    }
  })
})
