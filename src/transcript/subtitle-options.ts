/** How cues are cut, under the reference's names. */
export interface SubtitleOptions {
  /** Characters; null: lines have any length. */
  readonly max_line_width: number | null
  /** Null: cues have any number of lines. */
  readonly max_line_count: number | null
  readonly max_words_per_line: number | null
  readonly highlight_words: boolean
}

/** As the reference's writers do without options: a cue for each segment. */
export const WHOLE_SEGMENTS: SubtitleOptions = {
  max_line_width: null,
  max_line_count: null,
  max_words_per_line: null,
  highlight_words: false,
}

export const MAX_SUBTITLE_NUMBER = 10_000

/** What each of them is, in Markdown; for the API's queries, the command line's flags and the documentation. */
export const SUBTITLE_OPTIONS: Readonly<
  Record<keyof SubtitleOptions, { readonly unit: string; readonly meaning: string }>
> = {
  max_line_width: {
    unit: 'characters',
    meaning: 'Characters that a line has at most, blanks included; a longer word stands alone. 0: any number.',
  },
  max_line_count: {
    unit: 'lines',
    meaning:
      'Lines that a cue has at most; then cues go on over the borders of segments, and end at pauses of 3 s. Without `max_line_width` it has ' +
      'no effect. 0: any number.',
  },
  max_words_per_line: {
    unit: 'words',
    meaning:
      'Words that a cue has at most. With `max_line_width` and `max_line_count` it has no effect. 0: any number.',
  },
  highlight_words: {
    unit: 'true|false',
    meaning: 'Whether each word has a cue in which it is underlined, by `<u>`, while it is spoken.',
  },
}

export const SUBTITLE_OPTION_NAMES = [
  'max_line_width',
  'max_line_count',
  'max_words_per_line',
  'highlight_words',
] as const satisfies readonly (keyof SubtitleOptions)[]

/** Those that are set: all of them are about words, of which a transcript has the times only when they were asked for. */
export function setOptions(options: SubtitleOptions): readonly (keyof SubtitleOptions)[] {
  return SUBTITLE_OPTION_NAMES.filter((name) => options[name] !== null && options[name] !== false)
}

/** What the reference warns of: pairs of an option that has no effect, and the words that say why. */
export function ineffective(options: SubtitleOptions): readonly (readonly [keyof SubtitleOptions, string])[] {
  const { max_line_width: width, max_line_count: count, max_words_per_line: words } = options
  const found: (readonly [keyof SubtitleOptions, string])[] = []
  if (count !== null && width === null) found.push(['max_line_count', 'without max_line_width'])
  // The reference warns without a count as well, yet then words do end cues.
  if (words !== null && width !== null && count !== null) {
    found.push(['max_words_per_line', 'with max_line_width and max_line_count'])
  }
  return found
}
