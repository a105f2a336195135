import { Command, InvalidArgumentError } from 'commander'
import { describe, expect, test } from 'vitest'
import { addOutputOptions, subtitleOptions } from './output-formats.ts'
import type { OutputFlags } from './output-formats.ts'

function parse(...args: readonly string[]): OutputFlags {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => undefined })
  addOutputOptions(command)
  command.parse(args, { from: 'user' })
  return command.opts<OutputFlags>()
}

const WITH_WORDS = { word_timestamps: true }

describe('--output-format', () => {
  test.each([
    [[], ['txt']],
    [['--output-format', 'srt'], ['srt']],
    [['--output-format', 'text'], ['txt']],
    [
      ['--output-format', 'SRT, vtt,srt'],
      ['srt', 'vtt'],
    ],
    [
      ['--output-format', 'all'],
      ['json', 'txt', 'srt', 'vtt', 'tsv'],
    ],
  ])('%j is %j', (args, formats) => {
    expect(parse(...args).outputFormat).toEqual(formats)
  })

  test.each(['', 'srt,', 'subrip', 'constructor'])('%j is refused, with those that there are', (given) => {
    expect(() => parse('--output-format', given)).toThrow(/json, txt, srt, vtt, tsv or all/)
  })

  test('several need a folder', () => {
    expect(() => subtitleOptions(parse('--output-format', 'all'), {})).toThrow(InvalidArgumentError)
    expect(() => subtitleOptions(parse('--output-format', 'all', '--output-dir', 'out'), {})).not.toThrow()
  })
})

describe('flags for subtitles', () => {
  test('are taken as the reference takes them: 0 is none, and True is true', () => {
    const flags = parse('--max-line-width', '42', '--max-line-count', '0', '--highlight-words', 'True')
    expect(subtitleOptions(flags, WITH_WORDS)).toEqual({
      options: { max_line_width: 42, max_line_count: null, max_words_per_line: null, highlight_words: true },
      warnings: [],
    })
  })

  test.each([
    ['--max-line-width', 'wide'],
    ['--max-line-count', '-1'],
    ['--max-words-per-line', '1.5'],
    ['--max-line-width', ''],
    ['--highlight-words', 'yes'],
  ])('%s %s is refused', (flag, value) => {
    expect(() => parse(flag, value)).toThrow(/It takes/)
  })

  test.each([
    ['--max-line-width', '42'],
    ['--max-line-count', '2'],
    ['--max-words-per-line', '7'],
    ['--highlight-words', 'true'],
  ])('%s needs words', (flag, value) => {
    const flags = parse(flag, value)
    expect(() => subtitleOptions(flags, { word_timestamps: false })).toThrow(`${flag} needs --word-timestamps true`)
    expect(() => subtitleOptions(flags, WITH_WORDS)).not.toThrow()
  })

  test('that have no effect are told', () => {
    const warnings = (...args: readonly string[]): readonly string[] =>
      subtitleOptions(parse(...args), WITH_WORDS).warnings
    expect(warnings('--max-line-count', '2')).toEqual(['--max-line-count has no effect without --max-line-width'])
    const all = ['--max-line-count', '2', '--max-line-width', '42', '--max-words-per-line', '7']
    expect(warnings(...all)).toEqual(['--max-words-per-line has no effect with --max-line-width and --max-line-count'])
    // The reference warns here as well, yet then these words do end cues.
    expect(warnings('--max-line-width', '42', '--max-words-per-line', '7')).toEqual([])
  })
})
