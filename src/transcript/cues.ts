import type { Segment, Transcript } from '../contract/transcript.ts'
import { afterBlanks, isBlank, stripped } from './blanks.ts'
import type { SubtitleOptions } from './subtitle-options.ts'
import { milliseconds } from './timestamps.ts'
import { divideWords } from './word-lines.ts'
import type { PlacedWord } from './word-lines.ts'

/** What is shown for a while. */
export interface Cue {
  readonly startMs: number
  /** After `startMs`. */
  readonly endMs: number
  /** Lines of text, none of which is blank. */
  readonly text: string
}

/** Where the reference leaves an arrow of three dashes and more as one of two, which ends a cue as well. From the first dash on: in linear time. */
const ARROW = /(?<!-)-{2,}>/g

/** Times within the recording, in milliseconds. */
type Clamp = (seconds: number) => number

/**
 * The cues of a transcript, as the reference's writers have them: of its words where the first segment has some, else of its segments. Where the
 * reference's would be no valid subtitles they differ: cues end within the recording, hold their words, last a millisecond
 * at least and come in the order of their starts; none is without text, or has a blank line or `-->` in it.
 */
export function cuesOf(transcript: Transcript, options: SubtitleOptions): readonly Cue[] {
  const { segments, duration } = transcript
  // A recording with text has a length, which another server may not have told.
  const limit = duration > 0 ? duration : Number.POSITIVE_INFINITY
  const clamp: Clamp = (seconds) => milliseconds(Math.min(Math.max(seconds, 0), limit))
  const endMs = clamp(Number.POSITIVE_INFINITY)
  const found =
    segments[0]?.words === undefined
      ? segments.map((segment) => segmentCue(segment, clamp))
      : divideWords(transcript, options).flatMap((words) =>
          options.highlight_words ? highlighted(words, clamp) : [wordCue(words, clamp)],
        )
  return found
    .filter(({ text }) => !isBlank(text))
    .map((cue) => legal(cue, endMs))
    .toSorted((one, other) => one.startMs - other.startMs)
}

/** Words may lie outside of their segment. */
function segmentCue({ start, end, text, words = [] }: Segment, clamp: Clamp): Cue {
  const times = [{ start, end }, ...words]
  return { ...spanOf(times, clamp), text: stripped(text) }
}

function wordCue(words: readonly PlacedWord[], clamp: Clamp): Cue {
  return { ...spanOf(words, clamp), text: words.map(({ word }) => word).join('') }
}

/** Starts and ends rise from word to word, but for those of words that were aligned badly. */
function spanOf(
  times: readonly { readonly start: number; readonly end: number }[],
  clamp: Clamp,
): Pick<Cue, 'startMs' | 'endMs'> {
  let [first, last] = [Number.POSITIVE_INFINITY, 0]
  for (const { start, end } of times) {
    first = Math.min(first, start)
    last = Math.max(last, end, start)
  }
  return { startMs: clamp(first), endMs: clamp(last) }
}

/** A cue for each word, and one for each pause between two. */
function highlighted(words: readonly PlacedWord[], clamp: Clamp): readonly Cue[] {
  const { startMs, text } = wordCue(words, clamp)
  let lastMs = startMs
  return words.flatMap(({ start, end }, index) => {
    const [from, to] = [clamp(start), clamp(end)]
    const pause = from > lastMs ? [{ startMs: lastMs, endMs: from, text }] : []
    lastMs = to
    return [...pause, { startMs: from, endMs: to, text: underlined(words, index) }]
  })
}

function underlined(words: readonly PlacedWord[], index: number): string {
  return words
    .map(({ word }, at) => {
      if (at !== index) return word
      const [blanks, rest] = afterBlanks(word)
      return `${blanks}<u>${rest}</u>`
    })
    .join('')
}

function legal({ startMs, endMs, text }: Cue, recordingMs: number): Cue {
  const start = Math.max(Math.min(startMs, recordingMs - 1), 0)
  const lines = text.split(/\r\n|\r|\n/).filter((line) => !isBlank(line))
  return { startMs: start, endMs: Math.max(endMs, start + 1), text: lines.join('\n').replaceAll(ARROW, '->') }
}
