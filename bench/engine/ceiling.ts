import { Tensor } from 'onnxruntime-node'
import type { InferenceSession } from 'onnxruntime-node'
import { readWhisperWeights } from '../../src/models/whisper/weights/whisper-weights.ts'
import type { WhisperWeights, Dimensions } from '../../src/models/whisper/weights/whisper-weights.ts'
import { openQuantisedCopy } from '../../src/speech/weights/quantised-copy.ts'
import { GraphBuilder, NO_VALUE } from '../../src/speech/graph/graph-builder.ts'
import type { Value } from '../../src/speech/graph/graph-builder.ts'
import { Layers } from '../../src/speech/graph/layers.ts'
import { planQuantisation } from '../../src/models/whisper/inference/precision.ts'
import { createSession } from '../../src/speech/inference/session.ts'
import { THREADS } from './machine.ts'
import { median } from './measurements.ts'
import { CACHE } from './sotto.ts'
import type { Precision } from '../../src/contract/precision.ts'

/** Milliseconds that the bare work takes on this processor: a window's multiplications, a step's reading. */
export interface Ceiling {
  /** All at the rate of the encoder's largest product. */
  readonly encoderWindow: number
  /** The maximum of as many bytes: weights, and a window's cross-attention keys and values. */
  readonly step: number
}

const REPEATS = 20
const READ_ROWS = 64

export async function ceiling(folder: string, precision: Precision): Promise<Ceiling> {
  const stored = await readWhisperWeights(folder)
  const { dimensions } = stored
  const plan = await planQuantisation(precision, dimensions)
  const copy = await openQuantisedCopy(stored, plan, { cacheFolder: CACHE, signal: undefined })
  const { attentionAndConvolutions, linear } = encoderWork(dimensions)
  const weightBytes = plan.decoder === null ? 4 : plan.decoder.type === 'q8' ? 1 : 0.5
  return {
    encoderWindow: attentionAndConvolutions / (await productRate(stored)) + linear / (await productRate(copy)),
    step: await readMs(stepBytes(dimensions, weightBytes)),
  }
}

/** Multiplications of a window. */
function encoderWork({ nMels, nAudioCtx: t, nState: d, nAudioLayer, nTextLayer }: Dimensions) {
  return {
    attentionAndConvolutions: 2 * nAudioLayer * t ** 2 * d + 3 * t * d * (2 * nMels + d),
    linear: (12 * nAudioLayer + 2 * nTextLayer) * t * d ** 2,
  }
}

function stepBytes({ nAudioCtx, nState, nTextLayer, nVocab }: Dimensions, weightBytes: number): number {
  const weights = nState * (nVocab + 14 * nState * nTextLayer)
  const keysAndValues = 2 * nTextLayer * nAudioCtx * nState
  return weightBytes * weights + Float32Array.BYTES_PER_ELEMENT * keysAndValues
}

/** Multiplications a millisecond. */
async function productRate({ tensors, dimensions }: WhisperWeights): Promise<number> {
  const { nAudioCtx, nState, nAudioHead } = dimensions
  const graph = new GraphBuilder(tensors)
  const rows = graph.input('x', 'F32', [nAudioCtx, nState])
  const weight = 'encoder.layers.0.fc1.weight'
  const product = new Layers(graph, nState, nAudioHead).product(rows, weight, NO_VALUE, 4 * nState, nState)
  const x = new Float32Array(nAudioCtx * nState).map(() => Math.random())
  // What a graph gives is copied: one row of it is enough.
  const row = graph.node('Gather', [product, graph.integers([0])])
  const ms = await runMs(graph, row, [1, 4 * nState], new Tensor(x, [nAudioCtx, nState]))
  return (4 * nAudioCtx * nState ** 2) / ms
}

async function readMs(bytes: number): Promise<number> {
  const columns = Math.ceil(bytes / Float32Array.BYTES_PER_ELEMENT / READ_ROWS)
  const graph = new GraphBuilder(new Map())
  const x = graph.input('x', 'F32', [READ_ROWS, columns])
  const maxima = graph.node('ReduceMax', [x], { axes: [1], keepdims: 0 })
  const values = new Float32Array(READ_ROWS * columns).fill(1)
  return await runMs(graph, maxima, [READ_ROWS], new Tensor(values, [READ_ROWS, columns]))
}

async function runMs(graph: GraphBuilder, output: Value, shape: readonly number[], x: Tensor): Promise<number> {
  graph.output('y', output, shape)
  const session: InferenceSession = await createSession(graph.build(), THREADS)
  const fetches = { y: new Tensor(new Float32Array(shape.reduce((one, other) => one * other, 1)), shape) }
  const times: number[] = []
  for (let index = 0; index <= REPEATS; index++) {
    const startMs = performance.now()
    await session.run({ x }, fetches)
    times.push(performance.now() - startMs)
  }
  await session.release()
  return median(times.slice(1))
}
