import type { Segment, Transcript, Word } from '../contract/transcript.ts'
import { isBlank, stripped } from './blanks.ts'
import type { SubtitleOptions } from './subtitle-options.ts'

/** From the start of a word to that of the next one: a long word counts as well, as in the reference. */
const LONG_PAUSE_SECONDS = 3
/** What the reference takes where there is no limit. */
const NO_LIMIT = 1000

/** A word as it stands in a cue: with the blank or the line's end before it. */
export type PlacedWord = Pick<Word, 'word' | 'start' | 'end'>

/**
 * Divides the words among cues and lines: `SubtitlesWriter.iterate_subtitles` of the reference, rule by rule. The length of a line, the
 * count of lines and the pause live on from segment to segment.
 */
export function divideWords({ segments }: Transcript, options: SubtitleOptions): readonly (readonly PlacedWord[])[] {
  const { max_line_count: maxLines } = options
  const keepsSegments = options.max_line_width === null || maxLines === null
  const maxWidth = options.max_line_width ?? NO_LIMIT
  const maxWords = options.max_words_per_line ?? NO_LIMIT
  const words = segments.map(wordsOf)
  const cues: PlacedWord[][] = []
  let cue: PlacedWord[] = []
  let width = 0
  let lines = 1
  let lastStart = words.flat()[0]?.start ?? 0
  for (const { word: text, start, end, isFirst } of words.flatMap((each) => grouped(each, maxWords))) {
    const isLongPause = !keepsSegments && start - lastStart > LONG_PAUSE_SECONDS
    const endsSegment = isFirst && cue.length > 0 && keepsSegments
    const length = lengthOf(text)
    lastStart = start
    if (width > 0 && width + length <= maxWidth && !isLongPause && !endsSegment) {
      width += length
      cue.push({ word: text, start, end })
      continue
    }
    const first = stripped(text)
    const isFull = cue.length > 0 && maxLines !== null && (isLongPause || lines >= maxLines)
    const breaksLine = !isFull && !endsSegment && width > 0
    if (isFull || endsSegment) {
      cues.push(cue)
      cue = []
      lines = 1
    } else if (breaksLine) {
      lines += 1
    }
    width = lengthOf(first)
    cue.push({ word: breaksLine ? `\n${first}` : first, start, end })
  }
  if (cue.length > 0) cues.push(cue)
  return cues
}

/** Each word, and whether it begins a group of so many. */
function grouped(
  words: readonly PlacedWord[],
  groupLength: number,
): readonly (PlacedWord & { readonly isFirst: boolean })[] {
  return words.map((word, index) => ({ ...word, isFirst: index % groupLength === 0 }))
}

/** Of a segment whose words nobody has looked for, its text counts as one, so that it is not lost. */
function wordsOf({ words, text, start, end }: Segment): readonly PlacedWord[] {
  if (words !== undefined) return words
  return isBlank(text) ? [] : [{ word: text, start, end }]
}

/** In code points, as Python counts. */
function lengthOf(text: string): number {
  let length = 0
  for (const _ of text) length += 1
  return length
}
