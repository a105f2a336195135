import { WINDOW_FRAMES } from '../../../speech/audio/features.ts'
import type { DecodingResult } from '../decoding/decode.ts'
import { FRAMES_PER_SECOND } from '../frames.ts'
import type { WhisperModel } from '../model.ts'
import { qualityOf } from '../../../transcript/quality.ts'
import type { WhisperSegment } from './whisper-transcript.ts'

/** A segment that is not yet part of the transcript. */
export type DraftSegment = Omit<WhisperSegment, 'id'>

export interface WindowSegments {
  readonly segments: readonly DraftSegment[]
  /** Where the next window begins, in frames. */
  readonly next: number
  /** Whether a single timestamp ends the window: no speech follows it. */
  readonly endsInSingleTimestamp: boolean
}

/**
 * Cuts a window's tokens into segments, and says where the next window begins: behind the last finished segment, or behind the
 * whole window when it ends in a single timestamp or has no finished segment at all.
 * @param seek where the window begins, in frames
 * @param frames of content in the window, at most 3,000
 */
export function segmentWindow(
  model: WhisperModel,
  result: DecodingResult,
  seek: number,
  frames: number,
): WindowSegments {
  const { tokens } = result
  const { timestampBegin } = model.tokenizer
  const framesPerTimestamp = WINDOW_FRAMES / model.dimensions.nAudioCtx
  const secondsPerTimestamp = framesPerTimestamp / FRAMES_PER_SECOND
  const offset = seek / FRAMES_PER_SECOND
  const isTimestamp = (index: number): boolean => (tokens[index] ?? -1) >= timestampBegin
  const secondsOf = (token = timestampBegin): number => (token - timestampBegin) * secondsPerTimestamp
  const draft = (start: number, end: number, slice: readonly number[]): DraftSegment => ({
    seek,
    start,
    end,
    text: model.tokenizer.decode(slice.filter((token) => token < model.tokenizer.eot)),
    tokens: [...slice],
    temperature: result.temperature,
    avg_logprob: result.avgLogprob,
    compression_ratio: result.compressionRatio,
    no_speech_prob: result.noSpeechProb,
    quality: qualityOf(result),
  })

  const endsInSingleTimestamp = tokens.length >= 2 && isTimestamp(tokens.length - 1) && !isTimestamp(tokens.length - 2)
  const cuts = tokens.flatMap((_, index) => (index > 0 && isTimestamp(index - 1) && isTimestamp(index) ? [index] : []))
  if (cuts.length === 0) {
    const last = tokens.findLast((token) => token >= timestampBegin)
    const hasEnd = last !== undefined && last !== timestampBegin
    const length = hasEnd ? secondsOf(last) : frames / FRAMES_PER_SECOND
    return { segments: [draft(offset, offset + length, tokens)], next: seek + frames, endsInSingleTimestamp }
  }
  if (endsInSingleTimestamp) cuts.push(tokens.length)
  const segments = cuts.map((end, index) => {
    const slice = tokens.slice(cuts[index - 1] ?? 0, end)
    return draft(offset + secondsOf(slice[0]), offset + secondsOf(slice.at(-1)), slice)
  })
  const lastTimestamp = segments.at(-1)?.tokens.at(-1) ?? timestampBegin
  const advance = endsInSingleTimestamp ? frames : (lastTimestamp - timestampBegin) * framesPerTimestamp
  return { segments, next: seek + advance, endsInSingleTimestamp }
}

/** A segment without length or words keeps its place, without text. */
export function cleared(segment: DraftSegment): DraftSegment {
  if (segment.start !== segment.end && segment.text.trim() !== '') return segment
  return { ...segment, text: '', tokens: [], ...(segment.words === undefined ? {} : { words: [] }) }
}
