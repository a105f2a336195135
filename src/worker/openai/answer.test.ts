import { describe, expect, test } from 'vitest'
import { whisper } from '../../models/whisper/family.ts'
import { transcriptOf } from './answer.ts'
import type { Honoured } from './honoured.ts'

const transcript = (answer: object, asked: Honoured = {}) => transcriptOf(answer, asked, whisper)
const word = (text: string, start: number, end: number) => ({ word: text, start, end })
const said = (text: string, start: number, end: number) => ({ text, start, end })

describe('how long a recording is', () => {
  const segments = [said('a', 0, 2), said('b', 2, 5)]
  const words = [word('a', 0, 1), word('b', 2, 4)]
  test.each([
    [{ duration: 7, usage: { seconds: 8 }, segments, words }, 7],
    [{ duration: '7.5' }, 7.5],
    [{ duration: 0, segments }, 0],
    [{ duration: null, usage: { seconds: 8 }, segments, words }, 8],
    [{ duration: -1, segments, words }, 5],
    [{ duration: 'unknown', segments, words }, 5],
    [{ usage: { seconds: null }, words }, 4],
    [{ usage: null }, 0],
    [{}, 0],
  ])('by %j: %d s', (answer, seconds) => {
    expect(transcript({ text: 'a b', ...answer }).duration).toBe(seconds)
  })
})

describe('which language', () => {
  test.each([
    [{ language: 'german' }, {}, 'de'],
    [{ language: 'german' }, { language: 'en' }, 'en'],
    [{ language: 'de' }, { language: null }, 'de'],
    [{ language: 'klingon' }, {}, 'und'],
    [{ language: null }, {}, 'und'],
  ] as const)('by %j, asked for %j: %s', (answer, asked, language) => {
    expect(transcript({ text: 'a', ...answer }, asked).language).toBe(language)
  })
})

describe('text without segments', () => {
  test('is one from its first word to its last', () => {
    const words = [word('a', 1, 2), word('b', 3, 4)]
    expect(transcript({ text: 'a b', duration: 9, segments: [], words }).segments).toMatchObject([
      { id: 0, seek: 100, start: 1, end: 4, text: 'a b' },
    ])
    expect(transcript({ text: 'a b', duration: 9 }).segments).toMatchObject([{ start: 0, end: 9 }])
    expect(transcript({ text: 'a b', duration: 9, segments: null, words: [] }).segments).toMatchObject([
      { start: 0, end: 9 },
    ])
  })

  test('that is blank has none', () => {
    expect(transcript({ text: ' \n', duration: 9 }).segments).toEqual([])
  })
})

test('what a segment leaves out counts as nothing known against it', () => {
  const [bare, full] = transcript(
    { text: 'a', segments: [said('a', 1.234, 2), { ...said('b', 2, 3), seek: 150.4, temperature: 0, tokens: [1] }] },
    { temperature: 0.4 },
  ).segments
  expect(bare).toMatchObject({
    seek: 123,
    temperature: 0.4,
    tokens: [],
    avg_logprob: 0,
    no_speech_prob: 0,
    quality: [],
  })
  expect(full).toMatchObject({ id: 1, seek: 150, temperature: 0, tokens: [1] })
  expect(bare).not.toHaveProperty('words')
  expect(transcript({ text: 'a', segments: [said('a', 0, 1)] }).segments).toMatchObject([{ temperature: 0 }])
})

describe('words beside the segments', () => {
  const asked = { word_timestamps: true }
  const wordsBySegment = (segments: readonly object[], words: readonly object[]) =>
    transcript({ text: 'a b', segments, words }, asked).segments.map((segment) => segment.words?.map((one) => one.word))

  test('are in the segment in which their middle is, and that of a start is behind it', () => {
    const segments = [said('a', 0, 2), said('b', 2, 4), said('', 4, 4), said('c', 4, 6)]
    const words = [
      word('before', -1, 0.5),
      word('a', 0.9, 2.9),
      word('on', 1, 3),
      word('c', 5, 5.5),
      word('late', 9, 10),
    ]
    expect(wordsBySegment(segments, words)).toEqual([['before', 'a'], ['on'], [], ['c', 'late']])
  })

  test('are left where segments have words of their own', () => {
    const segments = [{ ...said('a', 0, 2), words: [word('own', 0, 1)] }, said('b', 2, 4)]
    expect(wordsBySegment(segments, [word('beside', 2, 3)])).toEqual([['own'], []])
  })

  test('may be none where there is no text', () => {
    expect(transcript({ text: '', segments: [said('', 0, 1)] }, asked).segments).toMatchObject([{ words: [] }])
    expect(() => transcript({ text: 'a', segments: [said('a', 0, 1)], words: null }, asked)).toThrow('word_timestamps')
  })

  test('are certain unless it is said how likely they are', () => {
    const words = [word('a', 0, 1), { ...word('b', 1, 2), probability: null }, { ...word('c', 2, 3), probability: 0 }]
    const [segment] = transcript({ text: 'a b c', segments: [said('a b c', 0, 3)], words }, asked).segments
    expect(segment?.words?.map(({ probability }) => probability)).toEqual([1, 1, 0])
  })
})
