import { describe, expect, test } from 'vitest'
import type { Segment, Transcript, Word } from '../contract/transcript.ts'
import { formatTranscript } from './formats.ts'
import { WHOLE_SEGMENTS } from './subtitle-options.ts'
import type { SubtitleOptions } from './subtitle-options.ts'

/** Words as `Hello 0 0.5`. */
function words(...texts: readonly string[]): Word[] {
  return texts.map((text) => {
    const [word = '', start = '', end = ''] = text.split(' ')
    return { word: ` ${word}`, start: Number(start), end: Number(end), probability: 1 }
  })
}

function transcriptOf(...segments: readonly (readonly Word[])[]): Transcript {
  return {
    text: '',
    duration: 10_000,
    segments: segments.map((each, id): Segment => {
      const text = each.map(({ word }) => word).join('')
      return { id, start: each[0]?.start ?? 0, end: each.at(-1)?.end ?? 0, text, words: [...each] }
    }),
  }
}

function plain(text: string, start: number, end: number): Transcript {
  return { text, duration: 10_000, segments: [{ id: 0, start, end, text }] }
}

/** The cues of an SRT file as the golden cases are written: `0-2.5 Hello there,/dear world.` */
function shown(transcript: Transcript, options: Partial<SubtitleOptions>): string {
  const file = formatTranscript(transcript, 'srt', { ...WHOLE_SEGMENTS, ...options })
  const seconds = (clock: string): number => {
    const [hours, minutes, rest] = clock.replace(',', '.').split(':').map(Number)
    return (hours ?? 0) * 3600 + (minutes ?? 0) * 60 + (rest ?? 0)
  }
  return file
    .split('\n\n')
    .filter((cue) => cue !== '')
    .map((cue, index) => {
      const [number, times = '', ...lines] = cue.split('\n')
      expect(number).toBe(String(index + 1))
      const [start = '', end = ''] = times.split(' --> ')
      return `${seconds(start)}-${seconds(end)} ${lines.join('/')}`
    })
    .join(' · ')
}

const HELLO = transcriptOf(
  words('Hello 0 0.5', 'there, 0.5 1', 'dear 1 1.5', 'world. 1.5 2.5'),
  words('How 6 6.5', 'are 6.5 7', 'you? 7 8'),
)
const FLOWING = transcriptOf(words('one 0 0.5', 'two 0.5 1'), words('three 2 2.5', 'four 2.5 3'))
const SLOW = transcriptOf(words('one 0 5', 'two 5 9'))

describe('cues of words, cut as the reference cuts them', () => {
  const [W, C, N] = ['max_line_width', 'max_line_count', 'max_words_per_line'] as const
  test.each<[Partial<SubtitleOptions>, string, Transcript?]>([
    [{}, '0-2.5 Hello there, dear world. · 6-8 How are you?'],
    [{ [W]: 12 }, '0-2.5 Hello there,/dear world. · 6-8 How are you?'],
    [{ [W]: 12, [C]: 1 }, '0-1 Hello there, · 1-2.5 dear world. · 6-8 How are you?'],
    [{ [W]: 12, [C]: 2 }, '0-2.5 Hello there,/dear world. · 6-8 How are you?'],
    [{ [W]: 100, [C]: 2 }, '0-2.5 Hello there, dear world. · 6-8 How are you?'],
    [{ [N]: 2 }, '0-1 Hello there, · 1-2.5 dear world. · 6-7 How are · 7-8 you?'],
    [{ [N]: 3, [W]: 12 }, '0-1.5 Hello there,/dear · 1.5-2.5 world. · 6-8 How are you?'],
    [{ [N]: 2, [W]: 12, [C]: 2 }, '0-2.5 Hello there,/dear world. · 6-8 How are you?'],
    [{ [C]: 1 }, '0-2.5 Hello there, dear world. · 6-8 How are you?'],
    [{ [W]: 9, [C]: 2 }, '0-2.5 one two/three · 2.5-3 four', FLOWING],
    [{ [W]: 40, [C]: 2 }, '0-5 one · 5-9 two', SLOW],
    [{ [W]: 3 }, '0-2.5 Hello/there,/dear/world. · 6-8 How/are/you?'],
  ])('%j: %s', (options, cues, transcript = HELLO) => {
    expect(shown(transcript, options)).toBe(cues)
  })

  test('lines are measured in code points', () => {
    const music = transcriptOf(words('𝄞𝄞 0 1', '𝄞𝄞 1 2'))
    expect(shown(music, { max_line_width: 5 })).toBe('0-2 𝄞𝄞 𝄞𝄞')
    expect(shown(music, { max_line_width: 4 })).toBe('0-2 𝄞𝄞/𝄞𝄞')
  })

  test('words are underlined as they are spoken', () => {
    const options = { ...WHOLE_SEGMENTS, highlight_words: true }
    expect(formatTranscript(transcriptOf(words('a 0 0.4', 'b 1 1.4')), 'vtt', options)).toBe(
      'WEBVTT\n\n00:00.000 --> 00:00.400\n<u>a</u> b\n\n00:00.400 --> 00:01.000\na b\n\n00:01.000 --> 00:01.400\na <u>b</u>\n\n',
    )
    const wrapped = formatTranscript(transcriptOf(words('a 0 1', 'b 1 2')), 'srt', { ...options, max_line_width: 1 })
    expect(wrapped).toBe(
      '1\n00:00:00,000 --> 00:00:01,000\n<u>a</u>\nb\n\n2\n00:00:01,000 --> 00:00:02,000\na\n<u>b</u>\n\n',
    )
  })
})

describe('files of segments, byte for byte', () => {
  const HOSTILE = plain(' x --> y & <i>\tz ', 0.0005, 3661.2345)

  test.each([
    ['srt', '1\n00:00:00,000 --> 01:01:01,234\nx -> y & <i>\tz\n\n'],
    ['vtt', 'WEBVTT\n\n00:00.000 --> 01:01:01.234\nx -> y & <i>\tz\n\n'],
    ['tsv', 'start\tend\ttext\n0\t3661234\tx --> y & <i> z\n'],
    ['txt', 'x --> y & <i>\tz\n'],
  ] as const)('%s', (format, content) => {
    expect(formatTranscript(HOSTILE, format)).toBe(content)
  })

  test('seconds carry into minutes, and hours have as many digits as they need', () => {
    expect(formatTranscript(plain('a', 59.9995, 360_000), 'vtt')).toBe('WEBVTT\n\n01:00.000 --> 02:46:40.000\na\n\n')
    expect(formatTranscript({ ...plain('a', 0, 360_000), duration: 360_000 }, 'srt')).toContain('--> 100:00:00,000')
  })

  test.each([
    ['txt', ''],
    ['srt', ''],
    ['vtt', 'WEBVTT\n\n'],
    ['tsv', 'start\tend\ttext\n'],
    ['json', '{"text": "", "segments": [], "language": "en", "duration": 0.0}'],
  ] as const)('%s of an empty transcript', (format, content) => {
    expect(formatTranscript({ text: '', language: 'en', duration: 0, segments: [] }, format)).toBe(content)
  })

  test('a segment without text is an empty line, and no cue', () => {
    const transcript: Transcript = {
      ...{ text: ' a', duration: 3 },
      segments: [
        { id: 0, start: 0, end: 1, text: ' a' },
        { id: 1, start: 1, end: 1, text: '' },
      ],
    }
    expect(formatTranscript(transcript, 'txt')).toBe('a\n\n')
    expect(formatTranscript(transcript, 'tsv')).toBe('start\tend\ttext\n0\t1000\ta\n1000\t1000\t\n')
    expect(formatTranscript(transcript, 'srt')).toBe('1\n00:00:00,000 --> 00:00:01,000\na\n\n')
  })

  test('JSON is written as Python writes it', () => {
    const transcript: Transcript = {
      ...{ text: ' Grüße, "𝄞"\n\u007f', language: 'de', duration: 3 },
      segments: [
        {
          ...{ id: 0, seek: 0, start: 0, end: 2.5, text: ' ja', tokens: [50364, 2784], temperature: 0 },
          ...{ avg_logprob: -0.25, compression_ratio: 1, no_speech_prob: 1.5e-7, quality: [] },
        },
      ],
    }
    expect(formatTranscript(transcript, 'json')).toBe(
      String.raw`{"text": " Gr\u00fc\u00dfe, \"\ud834\udd1e\"\n\u007f", "segments": [{"id": 0, "seek": 0, "start": 0.0, "end": 2.5, ` +
        '"text": " ja", "tokens": [50364, 2784], "temperature": 0.0, "avg_logprob": -0.25, "compression_ratio": 1.0, ' +
        '"no_speech_prob": 1.5e-07, "quality": []}], "language": "de", "duration": 3.0}',
    )
    const ratios = [1e-5, 0.0001, 1e16, 123_456_789.125, -0].map((start, id) => ({ id, start, end: 1e22, text: '' }))
    expect(formatTranscript({ text: '', duration: 0.1, segments: ratios }, 'json')).toMatch(
      /"start": 1e-05, "end": 1e\+22.*"start": 0.0001,.*"start": 1e\+16,.*"start": 123456789.125,.*"start": -0.0,/,
    )
  })
})

describe('where the reference’s subtitles would be broken', () => {
  test('cues end within the recording, whatever the segments say, and JSON and TSV say it', () => {
    const transcript = { ...plain('a', 9, 30), duration: 9.45 }
    expect(formatTranscript(transcript, 'srt')).toBe('1\n00:00:09,000 --> 00:00:09,450\na\n\n')
    expect(formatTranscript(transcript, 'tsv')).toContain('9000\t30000\ta')
    expect(formatTranscript(transcript, 'json')).toContain('"end": 30.0')
    expect(shown({ ...plain('a', 12, 30), duration: 9.45 }, {})).toBe('9.449-9.45 a')
    expect(shown({ ...plain('a', 12, 30), duration: 0 }, {})).toBe('12-30 a')
  })

  test('cues hold their words, wherever their segment is', () => {
    const outside = transcriptOf(words('one 1 2', 'two 2 1.5'))
    expect(shown(outside, {})).toBe('1-2 one two')
    const [first] = plain('first', 0, 1).segments
    const second = { ...outside.segments[0]!, start: 1.8, end: 1.9 }
    expect(shown({ ...outside, segments: [first!, second] }, {})).toBe('0-1 first · 1-2 one two')
  })

  test('cues come in the order of their starts, and last a millisecond at least', () => {
    const transcript = transcriptOf(words('late 5 5'), words('early 4 5'))
    expect(shown(transcript, {})).toBe('4-5 early · 5-5.001 late')
  })

  test('an arrow within words, or of many dashes, is none, and an empty line ends no cue', () => {
    expect(shown(transcriptOf(words('a---> 0 1', '- 1 2', '--> 2 3')), {})).toBe('0-3 a-> - ->')
    expect(shown(plain('a--->b\n\n \r\nc', 0, 1), {})).toBe('0-1 a->b/c')
  })

  test('text whose words nobody has looked for stays', () => {
    const transcript = transcriptOf(words('one 0 1'), [], words('three 2 3'))
    const { words: _, ...bare } = { ...transcript.segments[1]!, start: 1, end: 2, text: ' two' }
    expect(shown({ ...transcript, segments: [transcript.segments[0]!, bare, transcript.segments[2]!] }, {})).toBe(
      '0-1 one · 1-2 two · 2-3 three',
    )
  })
})
