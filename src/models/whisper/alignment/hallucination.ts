import type { Word } from '../../../contract/transcript.ts'
import { roundHalfEven } from '../rounding.ts'
import { FRAMES_PER_SECOND } from '../frames.ts'
import type { DraftSegment } from '../transcription/segments.ts'
import { WINDOW_FRAMES } from '../../../speech/audio/features.ts'

const PUNCTUATION = '"\'“¿([{-"\'.。,，!！?？:：”)]}、'
/** Words at the beginning of a segment that it is judged by. */
const JUDGED_WORDS = 8

interface Cut {
  readonly segments: readonly DraftSegment[]
  readonly next: number
  readonly endsInSingleTimestamp: boolean
}

interface Silence {
  /** Where the window begins, its frames of content, and those of the recording. */
  readonly seek: number
  readonly frames: number
  readonly contentFrames: number
  /** Seconds of silence that are skipped. */
  readonly threshold: number
  readonly lastSpeech: number
}

/**
 * Lets the next window begin behind the silence that surrounds what looks made up: words that are improbable, very short or very
 * long.
 */
export function skipHallucinations(
  cut: Cut,
  { seek, frames, contentFrames, threshold, lastSpeech }: Silence,
): { readonly segments: readonly DraftSegment[]; readonly next: number; readonly isDropped: boolean } {
  const { segments } = cut
  let { next } = cut
  const windowStart = seek / FRAMES_PER_SECOND
  const windowEnd = (seek + WINDOW_FRAMES) / FRAMES_PER_SECOND
  const last = lastEnd(segments)
  if (!cut.endsInSingleTimestamp && last !== undefined && last > windowStart && windowEnd - last <= threshold) {
    next = seek + frames
  }

  const first = segments.find(hasWords)
  if (first !== undefined && isAnomalous(first) && first.start - windowStart > threshold) {
    const gap = first.start - windowStart
    return { segments: [], next: seek + roundHalfEven(gap * FRAMES_PER_SECOND), isDropped: true }
  }

  let speechEnd = lastSpeech
  for (const [index, segment] of segments.entries()) {
    if (!hasWords(segment)) continue
    if (isAnomalous(segment)) {
      const following = segments.slice(index + 1).find(hasWords)
      const followingStart = following?.words?.[0]?.start ?? windowStart + frames / FRAMES_PER_SECOND
      const isBehindSilence =
        segment.start - speechEnd > threshold || segment.start < threshold || segment.start - windowStart < 2
      const isBeforeSilence =
        followingStart - segment.end > threshold ||
        (following !== undefined && isAnomalous(following)) ||
        windowEnd - segment.end < 2
      if (isBehindSilence && isBeforeSilence) {
        const isAtTheEnd = contentFrames / FRAMES_PER_SECOND - segment.end < threshold
        const restart = roundHalfEven(Math.max(windowStart + 1, segment.start) * FRAMES_PER_SECOND)
        return { segments: segments.slice(0, index), next: isAtTheEnd ? contentFrames : restart, isDropped: false }
      }
    }
    speechEnd = segment.end
  }
  return { segments, next, isDropped: false }
}

/** Seconds at which the last word ends, or the last segment when there are no words. */
export function lastEnd(segments: readonly DraftSegment[]): number | undefined {
  return segments.findLast(hasWords)?.words?.at(-1)?.end ?? segments.at(-1)?.end
}

function hasWords({ words = [] }: DraftSegment): boolean {
  return words.length > 0
}

function isAnomalous({ words = [] }: DraftSegment): boolean {
  const judged = words.filter(({ word }) => !PUNCTUATION.includes(word)).slice(0, JUDGED_WORDS)
  const score = judged.reduce((sum, word) => sum + anomaly(word), 0)
  return score >= 3 || score + 0.01 >= judged.length
}

function anomaly({ start, end, probability }: Word): number {
  const duration = end - start
  const tooShort = duration < 0.133 ? (0.133 - duration) * 15 : 0
  const tooLong = duration > 2 ? duration - 2 : 0
  return (probability < 0.15 ? 1 : 0) + tooShort + tooLong
}
