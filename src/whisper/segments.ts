/** A run of tokens between two timestamps, in seconds from the window's beginning. */
export interface TokenSpan {
  readonly start: number
  readonly end: number
  readonly tokens: readonly number[]
}

export interface WindowSegments {
  readonly spans: readonly TokenSpan[]
  /** How far the next window begins behind this one, in frames. */
  readonly advance: number
}

export interface WindowShape {
  /** Frames of content in the window, at most 3,000. */
  readonly frames: number
  readonly timestampBegin: number
  /** Frames for each step of a timestamp: 2. */
  readonly framesPerTimestamp: number
  readonly framesPerSecond: number
}

/**
 * Cuts a window's tokens into segments, and says where the next window begins: behind the last finished segment, or behind the
 * whole window when it ends in a single timestamp (no speech follows) or has no finished segment at all.
 */
export function segmentWindow(tokens: readonly number[], shape: WindowShape): WindowSegments {
  const { frames, timestampBegin, framesPerTimestamp, framesPerSecond } = shape
  const isTimestamp = (index: number): boolean => (tokens[index] ?? -1) >= timestampBegin
  const secondsOf = (token: number): number => ((token - timestampBegin) * framesPerTimestamp) / framesPerSecond
  const endsInSingle = isTimestamp(tokens.length - 1) && tokens.length >= 2 && !isTimestamp(tokens.length - 2)

  const cuts = tokens.flatMap((_, index) => (index > 0 && isTimestamp(index - 1) && isTimestamp(index) ? [index] : []))
  if (cuts.length === 0) {
    const last = tokens.findLast((token) => token >= timestampBegin)
    const hasEnd = last !== undefined && last !== timestampBegin
    const end = hasEnd ? secondsOf(last) : frames / framesPerSecond
    return { spans: [{ start: 0, end, tokens }], advance: frames }
  }
  if (endsInSingle) cuts.push(tokens.length)
  const spans = cuts.map((end, index) => {
    const slice = tokens.slice(cuts[index - 1] ?? 0, end)
    return {
      start: secondsOf(slice[0] ?? timestampBegin),
      end: secondsOf(slice.at(-1) ?? timestampBegin),
      tokens: slice,
    }
  })
  const lastTimestamp = spans.at(-1)?.tokens.at(-1) ?? timestampBegin
  return { spans, advance: endsInSingle ? frames : (lastTimestamp - timestampBegin) * framesPerTimestamp }
}
