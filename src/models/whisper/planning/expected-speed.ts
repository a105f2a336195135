import type { Dimensions } from '../weights/whisper-weights.ts'
import { FRAMES_PER_SECOND } from '../frames.ts'

/** Speech has about three words a second, of a token and a third each; timestamps and pauses are even. */
const TOKENS_PER_SECOND = 4
const FRAMES_PER_POSITION = 2

/** How fast a loaded model calculates here. */
export interface Pace {
  /** Of the encoder. */
  readonly multiplyAddsPerSecond: number
  /** Of the decoder, one token. */
  readonly secondsPerStep: number
}

/** Multiply-adds for a row in an MLP of the encoder. */
export function mlpMultiplyAdds({ nState }: Pick<Dimensions, 'nState'>): number {
  return 8 * nState ** 2
}

/** What a window takes before its first token: convolutions, encoder layers, and the keys and values of the cross-attention. */
export function encoderMultiplyAdds(dimensions: Dimensions): number {
  const { nMels, nAudioCtx, nState, nAudioLayer, nTextLayer } = dimensions
  const convolutions = 3 * nState * (FRAMES_PER_POSITION * nMels + nState)
  const attention = 4 * nState ** 2 + 2 * nAudioCtx * nState
  const crossProjections = 2 * nState ** 2 * nTextLayer
  return nAudioCtx * (convolutions + nAudioLayer * (attention + mlpMultiplyAdds(dimensions)) + crossProjections)
}

/** Seconds of speech that are transcribed in a second, as far as that can be told beforehand. */
export function expectedSpeed(dimensions: Dimensions, { multiplyAddsPerSecond, secondsPerStep }: Pace): number {
  const windowSeconds = (FRAMES_PER_POSITION * dimensions.nAudioCtx) / FRAMES_PER_SECOND
  const encoding = encoderMultiplyAdds(dimensions) / multiplyAddsPerSecond
  return windowSeconds / (encoding + TOKENS_PER_SECOND * windowSeconds * secondsPerStep)
}
