import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Transcript } from '../contract/transcript.ts'
import { formatTranscript } from './formats.ts'
import { milliseconds } from './timestamps.ts'

/** What breaks subtitles, among other text. */
const piece = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 8 }),
  fc.string({ unit: 'binary', maxLength: 4 }),
  fc.constantFrom(
    '-->',
    '--',
    '->',
    '>',
    '\n',
    '\r\n',
    '\r',
    '\n\n',
    ' ',
    '\t',
    '1',
    '00:00.000 --> 00:01.000',
    '<u>',
    '&amp;',
    'NOTE',
  ),
)
const text = fc.array(piece, { maxLength: 6 }).map((pieces) => ` ${pieces.join('')}`)
const seconds = fc.oneof(fc.double({ min: -10, max: 500_000, noNaN: true }), fc.integer({ min: 0, max: 40 }))
const word = fc.record({ word: text, start: seconds, end: seconds, probability: fc.constant(1) })
const segment = fc.record(
  { id: fc.constant(0), start: seconds, end: seconds, text, words: fc.array(word, { maxLength: 5 }) },
  { requiredKeys: ['id', 'start', 'end', 'text'] },
)
const transcript: fc.Arbitrary<Transcript> = fc.record({
  text: fc.constant(''),
  duration: fc.oneof(fc.constant(0), fc.double({ min: 0.001, max: 500_000, noNaN: true })),
  segments: fc.array(segment, { maxLength: 5 }),
})
const limit = fc.option(fc.integer({ min: 1, max: 20 }))
const options = fc.record({
  max_line_width: limit,
  max_line_count: limit,
  max_words_per_line: limit,
  highlight_words: fc.boolean(),
})

interface ParsedCue {
  readonly startMs: number
  readonly endMs: number
  readonly lines: readonly string[]
}

/** The cues of blocks that an empty line ends; whatever is out of place throws. */
function parse(
  file: string,
  times: RegExp,
  takeNumber: (lines: string[], index: number) => void,
): readonly ParsedCue[] {
  const blocks = file.split('\n\n')
  expect(blocks.pop()).toBe('')
  return blocks.map((block, index) => {
    const lines = block.split(/\r\n|\r|\n/)
    takeNumber(lines, index)
    const [, ...clocks] = times.exec(lines.shift() ?? '') ?? []
    expect(clocks).toHaveLength(8)
    for (const line of lines) expect(line).not.toMatch(/-->|^\s*$/)
    expect(lines.length).toBeGreaterThan(0)
    const [startMs = Number.NaN, endMs = Number.NaN] = [clocks.slice(0, 4), clocks.slice(4)].map(
      ([hours = '0', minutes, ...rest]) => Number(hours) * 3_600_000 + Number(minutes) * 60_000 + Number(rest.join('')),
    )
    return { startMs, endMs, lines }
  })
}

const SRT_TIMES = /^(\d{2,}):([0-5]\d):([0-5]\d),(\d{3}) --> (\d{2,}):([0-5]\d):([0-5]\d),(\d{3})$/
const VTT_TIMES = /^(?:(\d{2,}):)?([0-5]\d):([0-5]\d)\.(\d{3}) --> (?:(\d{2,}):)?([0-5]\d):([0-5]\d)\.(\d{3})$/

describe('any transcript', () => {
  test('gives SRT and WebVTT that strict readers take, with cues in order and within the recording', () => {
    fc.assert(
      fc.property(transcript, options, (given, how) => {
        const srt = parse(formatTranscript(given, 'srt', how), SRT_TIMES, (lines, index) =>
          expect(lines.shift()).toBe(String(index + 1)),
        )
        const [header, ...rest] = formatTranscript(given, 'vtt', how).split('WEBVTT\n\n')
        expect(header).toBe('')
        const vtt = parse(rest.join('WEBVTT\n\n'), VTT_TIMES, () => undefined)
        expect(vtt).toEqual(srt)
        const lastMs = given.duration === 0 ? Number.POSITIVE_INFINITY : Math.max(milliseconds(given.duration), 1)
        let beforeMs = 0
        for (const { startMs, endMs } of srt) {
          expect(startMs).toBeGreaterThanOrEqual(beforeMs)
          expect(endMs).toBeGreaterThan(startMs)
          expect(endMs).toBeLessThanOrEqual(lastMs)
          beforeMs = startMs
        }
      }),
      { numRuns: 500 },
    )
  })

  test('loses no text on the way', () => {
    const letters = (content: string): string => content.replaceAll(/[^a-z]/g, '')
    const spoken = fc.record({
      text: fc.constant(''),
      duration: fc.constant(100),
      segments: fc
        .array(fc.array(fc.tuple(fc.stringMatching(/^[a-z]{1,9}$/), fc.integer({ min: 0, max: 3 })), { minLength: 1 }))
        .map((segments) => {
          let at = 0
          return segments.map((pairs, id) => {
            const words = pairs.map(([letter, length]) => {
              const start = at
              at += length
              return { word: ` ${letter}`, start, end: at, probability: 1 }
            })
            return { id, start: 0, end: at, text: words.map((each) => each.word).join(''), words }
          })
        }),
    })
    fc.assert(
      fc.property(spoken, options, (given, how) => {
        const srt = formatTranscript(given, 'srt', { ...how, highlight_words: false })
        expect(letters(srt)).toBe(letters(given.segments.map((each) => each.text).join('')))
      }),
    )
  })

  test('gives JSON that says the same', () => {
    fc.assert(
      fc.property(transcript, (given) => {
        const json = formatTranscript(given, 'json')
        expect(json).toMatch(/^[\x20-\x7e]*$/)
        // Twice, since JSON.stringify makes 0 of -0, and Python does not.
        expect(JSON.parse(JSON.stringify(JSON.parse(json)))).toEqual(JSON.parse(JSON.stringify(given)))
      }),
    )
  })
})
