import { Check } from 'typebox/value'
import { describe, expect, test } from 'vitest'
import { TranscriptSchema } from './transcript.ts'

/** As every version so far has stored it. */
const WHISPERS = {
  id: 0,
  seek: 0,
  start: 0.3,
  end: 2.9,
  text: ' The hospital is near the park.',
  tokens: [911, 281, 586],
  temperature: 0,
  avg_logprob: -0.08,
  compression_ratio: 1.1,
  no_speech_prob: 1e-7,
  words: [{ word: ' The', start: 0.3, end: 0.5, probability: 0.9 }],
  quality: ['repetition'],
}
const of = (...segments: readonly object[]) => ({ text: '', language: 'en', duration: 3.04, segments })
const without = (name: keyof typeof WHISPERS) => {
  const { [name]: _, ...rest } = WHISPERS
  return rest
}

describe('a transcript', () => {
  test.each([
    ['Whisper’s', of(WHISPERS)],
    [
      'one with warnings, also of a kind that is not known here',
      { ...of(), warnings: [{ code: 'audio.new', message: 'x' }] },
    ],
    ['one of a family that knows times and text alone', of({ id: 0, start: 0, end: 1, text: 'hello' })],
    [
      'one with speakers',
      of({ ...WHISPERS, speaker: 'A', words: [{ word: 'x', start: 0, end: 1, probability: 1, speaker: 'B' }] }),
    ],
  ])('%s', (_, transcript) => {
    expect(Check(TranscriptSchema, transcript)).toBe(true)
  })

  test.each([
    ['without a text', { ...of(), text: undefined }],
    ['whose segment has no end', of(without('end'))],
    ['whose segment has a number that is none', of({ ...WHISPERS, avg_logprob: Number.NaN })],
    ['whose segment has a flag that is none', of({ ...WHISPERS, quality: ['nice'] })],
    ['whose speaker is a number', of({ ...WHISPERS, speaker: 1 })],
  ])('is none: one %s', (_, transcript) => {
    expect(Check(TranscriptSchema, transcript)).toBe(false)
  })
})
