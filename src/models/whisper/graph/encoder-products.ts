import { GraphBuilder } from '../../../speech/graph/graph-builder.ts'
import type { BuiltGraph } from '../../../speech/graph/graph-builder.ts'
import { Layers } from '../../../speech/graph/layers.ts'
import type { WhisperWeights } from '../weights/whisper-weights.ts'
import type { FloatType } from '../../../contract/device.ts'

/** `x` [rows, nState] → `y` [1, nState], the first row of what the encoder's first MLP makes of x: the matrices that the encoder is mostly made of. */
export function buildEncoderProducts(weights: WhisperWeights, rows: number, floats: FloatType): BuiltGraph {
  const { nState, nAudioHead } = weights.dimensions
  const graph = new GraphBuilder(weights.tensors, floats)
  const layers = new Layers(graph, nState, nAudioHead)
  const given = graph.input('x', 'F32', [rows, nState])
  const x = floats === 'F32' ? given : graph.cast(given, floats)
  const row = graph.node('Gather', [layers.mlp(x, 'encoder.layers.0'), graph.integers([0])])
  graph.output('y', floats === 'F32' ? row : graph.cast(row, 'F32'), [1, nState])
  return graph.build()
}
