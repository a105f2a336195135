import type { QualityFlag } from '../contract/transcript.ts'

/** Numbers of a window, with the reference's meanings. */
export interface WindowNumbers {
  readonly compressionRatio: number
  readonly avgLogprob: number
  readonly noSpeechProb: number
}

/**
 * The reference's default thresholds, whatever thresholds the transcription itself is asked to use, so that a flag means the same in
 * every transcript.
 */
const COMPRESSION_RATIO = 2.4
const AVERAGE_LOGPROB = -1
const NO_SPEECH_PROBABILITY = 0.6

/** Why not to trust the text of a window, from its own numbers. */
export function qualityOf(result: WindowNumbers): QualityFlag[] {
  const flags: QualityFlag[] = []
  if (result.compressionRatio > COMPRESSION_RATIO) flags.push('repetition')
  if (result.avgLogprob < AVERAGE_LOGPROB) flags.push('low-confidence')
  if (result.noSpeechProb > NO_SPEECH_PROBABILITY) flags.push('maybe-silence')
  return flags
}
