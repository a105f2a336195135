import type { Dimensions } from '../weights/whisper-weights.ts'

/**
 * How many weights a model of these sizes has, as the sum over its tensors. Counted by the sizes, so that the server, which has to
 * know what a model takes before it loads it, reads no header that anybody may have made.
 */
export function countWeights({ nMels, nAudioCtx, nState, nAudioLayer, nVocab, nTextCtx, nTextLayer }: Dimensions): {
  readonly encoder: number
  readonly decoder: number
} {
  const norm = 2 * nState
  // Keys have no bias.
  const attention = 4 * nState ** 2 + 3 * nState + norm
  const perceptron = 8 * nState ** 2 + 5 * nState + norm
  const convolutions = 3 * nState * (nMels + nState) + 2 * nState
  return {
    encoder: convolutions + nAudioCtx * nState + nAudioLayer * (attention + perceptron) + norm,
    decoder: (nVocab + nTextCtx) * nState + nTextLayer * (2 * attention + perceptron) + norm,
  }
}
