import { InferenceSession, Tensor } from 'onnxruntime-node'
import type { Dimensions } from '../weights/whisper-weights.ts'
import type { QuantisationPlan } from '../../../speech/weights/quantised-copy.ts'
import type { Quantisation } from '../../../speech/weights/quantiser.ts'
import { buildIntegerProbe, PROBE_RESULT, PROBE_WIDTH } from '../../../speech/graph/integer-probe.ts'
import type { Precision } from '../../../contract/precision.ts'

/** With fewer weights in the decoder, a step is made of calls, and integers gain nothing; the smallest published model has 29 million. */
const SMALLEST_WORTHWHILE_DECODER = 4e6

type DecoderSizes = Pick<Dimensions, 'nState' | 'nTextLayer' | 'nVocab'>

/**
 * `auto` leaves the encoder as it is: integer arithmetic scales all frames of a window by the largest value among them, and the
 * encoders of published models have a few channels that are far larger than the others.
 */
export async function planQuantisation(precision: Precision, dimensions: DecoderSizes): Promise<QuantisationPlan> {
  switch (precision) {
    case 'f32':
    // Few processors multiply 16-bit floats: half-precision weights are widened when they are loaded.
    case 'f16':
      return { encoder: null, decoder: null }
    case 'auto':
      return {
        encoder: null,
        decoder: decoderWeights(dimensions) < SMALLEST_WORTHWHILE_DECODER ? null : await bytesFor(),
      }
    case 'q8': {
      const bytes = await bytesFor()
      return { encoder: bytes, decoder: bytes }
    }
    case 'q4':
      return { encoder: await bytesFor(), decoder: { type: 'q4' } }
  }
}

/** Of its linear layers: what a step reads. */
function decoderWeights({ nState, nTextLayer, nVocab }: DecoderSizes): number {
  return nState * (nVocab + 14 * nState * nTextLayer)
}

/**
 * Processors without dot products of bytes (VNNI, SDOT) add two products of bytes in 16 bits, which overflow unless the weights keep
 * to seven bits: eight cost the demo model 1.3 points of word error rate there, seven none. Whether this one does is found by trying.
 */
async function bytesFor(): Promise<Quantisation> {
  const session = await InferenceSession.create(buildIntegerProbe())
  try {
    const ones = new Tensor('float32', new Float32Array(PROBE_WIDTH).fill(1), [1, PROBE_WIDTH])
    const { y } = await session.run({ x: ones })
    const [result] = y?.data instanceof Float32Array ? y.data : []
    const isExact = Math.abs((result ?? 0) - PROBE_RESULT) < PROBE_RESULT / 100
    return { type: 'q8', limit: isExact ? 127 : 63 }
  } finally {
    await session.release()
  }
}
