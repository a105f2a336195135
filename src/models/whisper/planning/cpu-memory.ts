import { readDimensions } from '../weights/whisper-weights.ts'
import { countWeights } from './weight-count.ts'
import type { Precision } from '../../../contract/precision.ts'

/** The process itself, the libraries, FFmpeg. */
const BASE_BYTES = 200 * 2 ** 20
/** Tokens in the caches of a slot: a whole context, and some for beams that diverge. */
const CELLS = 512
const FLOAT_BYTES = 4
/** Of a linear layer's weight, scales included. */
const DECODER_BYTES: Readonly<Record<Precision, number>> = { auto: 1, f32: 4, f16: 4, q8: 1, q4: 0.7 }
const ENCODER_BYTES: Readonly<Record<Precision, number>> = { auto: 4, f32: 4, f16: 4, q8: 1, q4: 1 }

/**
 * About as many bytes as a process takes that has loaded this model, with all slots in use.
 * @throws EngineError `checkpoint.missing_file`, `checkpoint.invalid`
 */
export async function estimateMemory(
  folder: string,
  { precision, slots }: { readonly precision: Precision; readonly slots: number },
): Promise<number> {
  const dimensions = await readDimensions(folder)
  const { nAudioCtx, nState, nTextLayer } = dimensions
  const { encoder, decoder } = countWeights(dimensions)
  const weights = encoder * ENCODER_BYTES[precision] + decoder * DECODER_BYTES[precision]
  const caches = slots * 2 * nTextLayer * nState * (nAudioCtx + CELLS) * FLOAT_BYTES
  // The encoder's widest layer has four times the state, and there are a few copies of each.
  const activations = 12 * nAudioCtx * nState * FLOAT_BYTES
  return Math.ceil(BASE_BYTES + weights + caches + activations)
}
