import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isWindowRecord, recordOf, windowOf } from './window-record.ts'
import type { DecodedWindow } from './window-record.ts'

const word = fc.record({
  word: fc.string({ unit: 'binary' }),
  start: fc.double(),
  end: fc.double(),
  probability: fc.double(),
})

const segment = fc.record(
  {
    seek: fc.nat(),
    start: fc.double(),
    end: fc.double(),
    text: fc.string({ unit: 'binary' }),
    tokens: fc.array(fc.nat()),
    temperature: fc.double(),
    avg_logprob: fc.double(),
    compression_ratio: fc.double(),
    no_speech_prob: fc.double(),
    words: fc.array(word),
    quality: fc.subarray(['repetition', 'low-confidence', 'maybe-silence'] as const).map((flags) => [...flags]),
  },
  {
    requiredKeys: [
      'seek',
      'start',
      'end',
      'text',
      'tokens',
      'temperature',
      'avg_logprob',
      'compression_ratio',
      'no_speech_prob',
      'quality',
    ],
  },
)

const window = fc.record({
  clip: fc.nat(),
  seek: fc.nat(),
  next: fc.nat(),
  segments: fc.array(segment),
  resetsPrompt: fc.boolean(),
  lastSpeech: fc.double(),
})

const FACTS = { fingerprint: 'f', ordinal: 0, language: 'en', seconds: 1.5 }

test('a window comes back to the last bit, infinities, NaN and −0 included', () => {
  fc.assert(
    fc.property(window, (finished) => {
      const read: unknown = JSON.parse(JSON.stringify(recordOf(finished, FACTS)))
      expect(isWindowRecord(read) && windowOf(read)).toEqual(finished)
      expect(read).toMatchObject(FACTS)
    }),
  )
})

const EMPTY: DecodedWindow = { clip: 0, seek: 0, next: 3000, segments: [], resetsPrompt: false, lastSpeech: 0 }
const record = recordOf(EMPTY, FACTS)

test.each([
  ['nothing', null],
  ['a text', 'window'],
  ['no window', { ...record, window: undefined }],
  ['an ordinal that is none', { ...record, ordinal: -1 }],
  ['a number by an unknown name', { ...record, window: { ...record.window, lastSpeech: 'nan' } }],
  ['a segment without tokens', { ...record, window: { ...record.window, segments: [{ text: '' }] } }],
])('%s is no record', (_, value) => {
  expect(isWindowRecord(value)).toBe(false)
})
