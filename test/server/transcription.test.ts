import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Client } from '../support/client.ts'
import { clips } from '../support/clips.ts'
import { PROJECT, Server, temporaryFolder } from '../support/server.ts'
import { wordErrors, words } from '../support/word-error-rate.ts'

/** The model card's rates for greedy decoding, in percent. */
const MODEL_CARD = { english: 5.0, other: 4.7 }
/** The minute has three windows; `npm run bench -- fidelity` takes the longer ones. */
const MAX_SECONDS = 100

let stack: AsyncDisposableStack
let client: Client

beforeAll(async () => {
  stack = new AsyncDisposableStack()
  const folder = stack.use(await temporaryFolder())
  const server = stack.use(await Server.start({ dataDir: folder.path }))
  client = new Client(server.url, server.newKey ?? '')
})

afterAll(() => stack.disposeAsync())

test('words, clips, lists of temperatures and all else that the engine takes goes through the API', async () => {
  const clip = clips(60).find(({ name }) => name === 'es-short')
  const input = { language: 'es', word_timestamps: true, clip_timestamps: '2,5', temperature: [0, 0.4], seed: 7 }
  const job = await client.transcribe(clip?.path ?? '', { input })
  const segments = job.result?.segments ?? []
  const timed = segments.flatMap((segment) => segment.words ?? [])
  expect(timed.map(({ word }) => word).join('')).toBe(job.result?.text)
  expect(timed.length).toBeGreaterThan(2)
  for (const { start, end, probability } of timed) {
    expect(start).toBeGreaterThanOrEqual(2)
    expect(end).toBeLessThanOrEqual(5)
    expect(probability).toBeGreaterThan(0)
  }
  expect(segments.map(({ quality }) => quality)).toEqual(segments.map(() => []))
})

test('what is wrong with a recording is told beside its transcript, and nothing where nothing is', async () => {
  const recording = (name: string): string => join(PROJECT, 'test/fixtures/recordings', name)
  const gap = await client.transcribe(recording('gap.m2ts'), { input: { language: 'en' } })
  expect(gap.result).toMatchObject({ duration: expect.closeTo(43.07, 1), warnings: [{ code: 'audio.gap' }] })
  expect(gap.result?.warnings?.[0]?.end).toBeCloseTo(42.9, 1)

  const [auto, silent, none] = await Promise.all(
    [{}, { audio_track: 0 }, { audio_track: 2 }].map((input) =>
      client.transcribe(recording('silent-track-first.mka'), { input: { language: 'en', ...input } }),
    ),
  )
  expect(auto?.result).toMatchObject({
    text: expect.stringMatching(/meeting/),
    warnings: [{ code: 'audio.track_chosen' }],
  })
  expect(silent?.result).not.toHaveProperty('warnings')
  expect(silent?.result?.text).not.toMatch(/meeting/)
  expect(none?.error).toMatchObject({ code: 'input.invalid', message: expect.stringContaining('2 audio tracks') })
})

describe('every clip goes through the Async API', () => {
  const all = clips(MAX_SECONDS)
  const errors = new Map<string, { errors: number; words: number }>()

  test.each(all)('$name', async (clip) => {
    const job = await client.transcribe(clip.path, { input: { language: clip.language } })
    expect(job).toMatchObject({ status: 'success', servedTier: 'cpuflex' })
    expect(job.result?.duration).toBeCloseTo(clip.durationSeconds, 1)
    const reference = words(clip.text)
    errors.set(clip.name, { errors: wordErrors(reference, words(job.result?.text ?? '')), words: reference.length })
  })

  test.each([
    ['English', MODEL_CARD.english, (language: string) => language === 'en'],
    ['Spanish and German', MODEL_CARD.other, (language: string) => language !== 'en'],
  ])('word error rate of %s is within 2 points of the model card', (_, card, isOf) => {
    const counted = all.filter((clip) => isOf(clip.language)).map((clip) => errors.get(clip.name))
    const sum = (of: 'errors' | 'words'): number =>
      counted.reduce((total, clip) => total + (clip?.[of] ?? Number.NaN), 0)
    expect((100 * sum('errors')) / sum('words')).toBeLessThanOrEqual(card + 2)
  })

  test('silence and noise have no words', () => {
    expect(errors.get('silence')).toEqual({ errors: 0, words: 0 })
    expect(errors.get('noise')).toEqual({ errors: 0, words: 0 })
  })
})
