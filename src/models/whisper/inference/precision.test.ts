import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { clips } from '../../../../test/support/clips.ts'
import { DEFAULT_OPTIONS } from '../../../../test/support/golden.ts'
import { PROJECT } from '../../../../test/support/server.ts'
import { wordErrors, words } from '../../../../test/support/word-error-rate.ts'
import { openFeatures } from '../../../speech/audio/features.ts'
import { WhisperModel } from '../model.ts'
import { transcribe } from '../transcription/transcribe.ts'
import { planQuantisation } from './precision.ts'
import type { Precision } from '../../../contract/precision.ts'

const DEMO = join(PROJECT, 'models/whisper-demo')
const DEMO_SIZES = { nState: 128, nTextLayer: 2, nVocab: 2397 }
const TINY_SIZES = { nState: 384, nTextLayer: 4, nVocab: 51_865 }
const BYTES = { type: 'q8', limit: expect.toBeOneOf([63, 127]) }

let cacheFolder: string
beforeAll(async () => {
  cacheFolder = await mkdtemp(join(tmpdir(), 'sotto-precision-'))
})
afterAll(() => rm(cacheFolder, { recursive: true }))

test.each([
  ['f32', TINY_SIZES, { encoder: null, decoder: null }],
  ['f16', TINY_SIZES, { encoder: null, decoder: null }],
  ['auto', DEMO_SIZES, { encoder: null, decoder: null }],
  ['auto', TINY_SIZES, { encoder: null, decoder: BYTES }],
  ['q8', DEMO_SIZES, { encoder: BYTES, decoder: BYTES }],
  ['q4', DEMO_SIZES, { encoder: BYTES, decoder: { type: 'q4' } }],
] as const)('%s, with sizes of %o', async (precision, sizes, plan) => {
  expect(await planQuantisation(precision, sizes)).toEqual(plan)
})

/** Words that are wrong in recordings of the three languages. */
async function errorsOf(precision: Precision): Promise<number> {
  await using model = await WhisperModel.load(DEMO, { threads: 1, precision, cacheFolder })
  let errors = 0
  for (const { path, text: reference, language } of clips(15)) {
    await using features = await openFeatures(path, { melBands: 80, temporaryFolder: tmpdir(), maxSeconds: null })
    const { text } = await transcribe(model, features, { ...DEFAULT_OPTIONS, language })
    errors += wordErrors(words(reference), words(text))
  }
  return errors
}

test('eight bits and four leave the words as they are, but for a few', async () => {
  const exact = await errorsOf('f32')
  expect(Math.abs((await errorsOf('q8')) - exact)).toBeLessThanOrEqual(2)
  expect(Math.abs((await errorsOf('q4')) - exact)).toBeLessThanOrEqual(4)
})
