import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fixture } from '../../../../test/support/clips.ts'
import { DEFAULT_OPTIONS, goldenClips, optionsOf } from '../../../../test/support/golden.ts'
import type { GoldenRun } from '../../../../test/support/golden.ts'
import { PROJECT } from '../../../../test/support/server.ts'
import { openFeatures } from '../../../speech/audio/features.ts'
import type { Slot } from '../inference/slot.ts'
import { WhisperModel } from '../model.ts'
import { Tokenizer } from '../tokenizer/tokenizer.ts'
import { decode } from './decode.ts'
import type { DecodingOptions } from './decoding-options.ts'
import { detectLanguage } from './detect-language.ts'

const DEMO = join(PROJECT, 'models/whisper-demo')
const clip = goldenClips().find(({ name }) => name === 'en-short')
/** Of those that decode one window once, one for each option; all of them are `transcribe.test.ts`'s. */
const NAMES = [
  ...['greedy', 'beam5-length0.6', 'no-timestamps', 'prompt', 'prefix', 'suppress-none', 'suppress-comma'],
  ...['suppress-blank-off', 'max-initial-off', 'sample-len-12'],
]
const runs = (clip?.runs ?? []).filter(({ name }) => NAMES.includes(name))

let model: WhisperModel
/** One has the window as it is decoded, the other one as its language is detected. */
let slot: Slot
let first: Slot
beforeAll(async () => {
  model = await WhisperModel.load(DEMO, { threads: 1, slots: 2 })
  slot = model.slot()
  first = model.slot()
  await using features = await openFeatures(fixture('en-short.wav'), {
    ...{ melBands: 80, temporaryFolder: tmpdir(), maxSeconds: null },
  })
  await slot.encode(await features.window(0, features.contentFrames))
  await first.encode(await features.firstWindow())
})
afterAll(async () => {
  slot[Symbol.dispose]()
  first[Symbol.dispose]()
  await model[Symbol.asyncDispose]()
})

const PLAIN: DecodingOptions = {
  ...DEFAULT_OPTIONS,
  ...{ language: 'en', prompt: [], prefix: [], seek: 0, temperature: 0 },
}

function decodingOf(run: GoldenRun): DecodingOptions {
  const { initialPrompt, prefix, ...options } = optionsOf(run)
  const tokensOf = (text: string | null) => (text === null ? [] : model.tokenizer.encode(` ${text.trim()}`))
  return { ...PLAIN, ...options, language: run.language, prompt: tokensOf(initialPrompt), prefix: tokensOf(prefix) }
}

describe('a window is decoded as the reference decodes it', () => {
  test.each(runs)('$name', async (run) => {
    const got = await decode(model, slot, decodingOf(run))
    const [segment] = run.segments
    expect(got.tokens).toEqual(segment?.tokens)
    expect(got.text).toBe(run.text.trim())
    expect(got.avgLogprob).toBeCloseTo(segment?.avg_logprob ?? Number.NaN, 3)
    expect(got.noSpeechProb).toBeCloseTo(segment?.no_speech_prob ?? Number.NaN, 4)
    expect(got.compressionRatio).toBeCloseTo(segment?.compression_ratio ?? Number.NaN, 9)
    expect(got.temperature).toBe(0)
  })
})

describe('above temperature 0', () => {
  const sampled: DecodingOptions = { ...PLAIN, temperature: 2, bestOf: null, beamSize: 5, seed: 3, sampleLength: 20 }

  test('samples are drawn, by seed and place', async () => {
    const texts = async (options: Partial<DecodingOptions>) =>
      (await decode(model, slot, { ...sampled, ...options })).text
    const text = await texts({})
    expect(await texts({})).toBe(text)
    expect(await texts({ seek: 1 })).not.toBe(text)
    expect(await texts({ seed: 4 })).not.toBe(text)
  })

  test('the best of several is the most probable for its length', async () => {
    const one = await decode(model, slot, sampled)
    const best = await decode(model, slot, { ...sampled, bestOf: 5 })
    expect(best.avgLogprob).toBeGreaterThanOrEqual(one.avgLogprob)
    expect(best.temperature).toBe(2)
  })
})

test('no more is sampled than the context holds', async () => {
  const { nTextCtx } = model.dimensions
  const suppressTokens = [model.tokenizer.eot]
  const endless = { ...PLAIN, withoutTimestamps: true, sampleLength: 10 * nTextCtx, suppressTokens }
  // What asks for the task, and a token that is sampled and not read any more.
  expect((await decode(model, slot, endless)).tokens).toHaveLength(nTextCtx - 4 + 1)
})

test('an abort ends it before the next step', async () => {
  const reason = new Error('enough')
  await expect(decode(model, slot, PLAIN, AbortSignal.abort(reason))).rejects.toBe(reason)
})

describe('the language', () => {
  test('is as probable as the reference says', async () => {
    const found = await detectLanguage(model, first)
    expect(found[0]?.language).toBe('en')
    for (const [language, probability] of Object.entries(clip?.languageProbs ?? {})) {
      expect(found.find((one) => one.language === language)?.probability).toBeCloseTo(probability, 3)
    }
    expect(found.map(({ probability }) => probability)).toEqual(
      found.map(({ probability }) => probability).toSorted((one, other) => other - one),
    )
  })

  test('is English where the model knows no other', async () => {
    const tokenizer = await Tokenizer.load(DEMO, { isMultilingual: false })
    expect(await detectLanguage({ tokenizer }, first)).toEqual([{ language: 'en', probability: 1 }])
  })
})
