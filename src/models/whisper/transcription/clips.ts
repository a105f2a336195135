import { roundHalfEven } from '../rounding.ts'

/** A part of the recording, in frames of 10 ms. */
export interface Clip {
  readonly start: number
  readonly end: number
}

/**
 * The parts of a recording that are transcribed, each on its own. What lies behind the end of the recording is left out.
 * @param timestamps beginnings and ends in seconds, in turn; without the last end, the recording's
 */
export function clipsOf(timestamps: readonly number[], contentFrames: number): readonly Clip[] {
  const points = timestamps.map((seconds) => roundHalfEven(seconds * 100))
  if (points.length === 0) points.push(0)
  if (points.length % 2 === 1) points.push(contentFrames)
  const starts = points.filter((_, index) => index % 2 === 0)
  return starts.map((start, index) => ({ start, end: Math.min(points[2 * index + 1] ?? contentFrames, contentFrames) }))
}
