import type { Word } from '../../../contract/transcript.ts'
import type { WordOptions } from '../parameters/options.ts'
import { roundHalfEven, roundToHundredths } from '../rounding.ts'
import { FRAMES_PER_SECOND } from '../frames.ts'
import type { DraftSegment, WindowSegments } from '../transcription/segments.ts'
import { findAlignment } from './find-alignment.ts'
import type { AlignmentContext, WordTiming } from './find-alignment.ts'
import { lastEnd, skipHallucinations } from './hallucination.ts'
import { mergePunctuations } from './punctuation.ts'

export interface TimingContext extends AlignmentContext {
  /** Where the window begins, in frames. */
  readonly seek: number
  /** Seconds at which the speech before this window ended. */
  readonly lastSpeech: number
  /** Frames of the whole recording. */
  readonly contentFrames: number
  readonly options: WordOptions
}

export interface TimedSegments {
  readonly segments: readonly DraftSegment[]
  /** Where the next window begins, in frames. */
  readonly next: number
  readonly lastSpeech: number
  /** Whether all of it was made up and the next window takes its place. */
  readonly isDropped: boolean
}

/** Seconds that a word is taken to last at most, in the middle. */
const MAX_MEDIAN_DURATION = 0.7
const SENTENCE_END_MARKS = '.。!！?？'

/** Gives a window's segments their words' times, and lets the next window begin behind the last word. */
export async function timeWords(cut: WindowSegments, context: TimingContext): Promise<TimedSegments> {
  const { model, seek, options, contentFrames, frames } = context
  const texts = cut.segments.map(({ tokens }) => tokens.filter((token) => token < model.tokenizer.eot))
  const alignment = await findAlignment(context, texts.flat())
  const limits = durationLimits(alignment)
  shortenAtSentenceEnds(alignment, limits)
  mergePunctuations(alignment, options.prependPunctuations, options.appendPunctuations)
  const segments = distribute(cut.segments, texts, alignment, { ...limits, seek, lastSpeech: context.lastSpeech })

  const last = lastEnd(segments)
  const isBehindLastWord = !cut.endsInSingleTimestamp && last !== undefined && last > seek / FRAMES_PER_SECOND
  const next = isBehindLastWord ? roundHalfEven(last * FRAMES_PER_SECOND) : cut.next
  const threshold = options.hallucinationSilenceThreshold
  const kept =
    threshold === null
      ? { segments, next, isDropped: false }
      : skipHallucinations(
          { segments, next, endsInSingleTimestamp: cut.endsInSingleTimestamp },
          { seek, frames, contentFrames, threshold, lastSpeech: context.lastSpeech },
        )
  return { ...kept, lastSpeech: kept.isDropped ? context.lastSpeech : (lastEnd(kept.segments) ?? context.lastSpeech) }
}

/** Seconds: the median of the words that last at all, and twice that. */
interface DurationLimits {
  readonly median: number
  readonly max: number
}

function durationLimits(alignment: readonly WordTiming[]): DurationLimits {
  const durations = alignment.map(({ start, end }) => end - start).filter((duration) => duration !== 0)
  if (durations.length === 0) return { median: 0, max: 0 }
  const sorted = durations.toSorted((one, other) => one - other)
  const middle = sorted.slice(Math.ceil(sorted.length / 2) - 1, Math.floor(sorted.length / 2) + 1)
  const median = Math.min(MAX_MEDIAN_DURATION, middle.reduce((sum, duration) => sum + duration, 0) / middle.length)
  return { median, max: 2 * median }
}

/** A long word where a sentence ends holds a pause. */
function shortenAtSentenceEnds(alignment: readonly WordTiming[], { max }: DurationLimits): void {
  if (max === 0) return
  for (const [index, timing] of alignment.entries()) {
    const previous = alignment[index - 1]
    if (previous === undefined || timing.end - timing.start <= max) continue
    if (SENTENCE_END_MARKS.includes(timing.word)) timing.end = timing.start + max
    else if (SENTENCE_END_MARKS.includes(previous.word)) timing.start = timing.end - max
  }
}

interface Distribution extends DurationLimits {
  readonly seek: number
  readonly lastSpeech: number
}

type MutableWord = { -readonly [Key in keyof Word]: Word[Key] }

/** Hands the words out to the segments, whose text they are made of, and fits the times of both to each other. */
function distribute(
  segments: readonly DraftSegment[],
  texts: readonly (readonly number[])[],
  alignment: readonly WordTiming[],
  distribution: Distribution,
): readonly DraftSegment[] {
  const offset = distribution.seek / FRAMES_PER_SECOND
  let { lastSpeech } = distribution
  let index = 0
  return segments.map((segment, at) => {
    const words: MutableWord[] = []
    const length = texts[at]?.length ?? 0
    for (let saved = 0; saved < length; index++) {
      const timing = alignment[index]
      if (timing === undefined) break
      saved += timing.tokens.length
      if (timing.word === '') continue
      const start = roundToHundredths(offset + timing.start)
      const end = roundToHundredths(offset + timing.end)
      words.push({ word: timing.word, start, end, probability: timing.probability })
    }
    const fitted = fit(segment, words, { ...distribution, lastSpeech })
    if (words.length > 0) lastSpeech = fitted.end
    return fitted
  })
}

/** Corrects words that would swallow a pause, and takes the segment's times from its words, or the other way round. */
function fit(
  segment: DraftSegment,
  words: MutableWord[],
  { median, max, lastSpeech }: Omit<Distribution, 'seek'>,
): DraftSegment {
  const [first, second] = words
  const last = words.at(-1)
  if (first === undefined || last === undefined) return { ...segment, words }
  const isLong = first.end - first.start > max || (second !== undefined && second.end - first.start > 2 * max)
  if (first.end - lastSpeech > 4 * median && isLong) {
    if (second !== undefined && second.end - second.start > max) {
      first.end = second.start = Math.max(second.end / 2, second.end - max)
    }
    first.start = Math.max(0, first.end - max)
  }
  let { start, end } = segment
  if (start < first.end && start - 0.5 > first.start) {
    first.start = Math.max(0, Math.min(first.end - median, start))
  } else ({ start } = first)
  if (end > last.start && end + 0.5 < last.end) {
    last.end = Math.max(last.start + median, end)
  } else ({ end } = last)
  return { ...segment, start, end, words }
}
