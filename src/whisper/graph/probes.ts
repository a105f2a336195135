import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { GraphBuilder } from './graph-builder.ts'
import type { BuiltGraph, FloatType, Value } from './graph-builder.ts'
import { attentionInParts } from './device-encoder.ts'
import { fuseHeads } from './encoder.ts'
import { Layers } from './layers.ts'

/** `x` [n, n] → `product`, the first row of x·x. */
export function buildProduct(floats: FloatType): BuiltGraph {
  const graph = new GraphBuilder(new Map(), floats)
  const given = graph.input('x', 'F32', ['n', 'n'])
  const x = floats === 'F32' ? given : graph.cast(given, floats)
  const row = graph.node('Gather', [graph.node('MatMul', [x, x]), graph.integers([0])])
  graph.output('product', floats === 'F32' ? row : graph.cast(row, 'F32'), [1, 'n'])
  return graph.build()
}

/** `x` [rows, width] → `fused` and `parts` [rows, width], self-attention in the two ways that the encoder knows. */
export function buildAttentions(floats: FloatType, width: number, heads: number): BuiltGraph {
  const graph = new GraphBuilder(new Map(), floats)
  const layers = new Layers(graph, width, heads)
  const given = graph.input('x', 'F32', ['rows', width])
  const x = floats === 'F32' ? given : graph.cast(given, floats)
  const give = (name: string, value: Value): void =>
    graph.output(name, floats === 'F32' ? value : graph.cast(value, 'F32'), ['rows', width])
  give('fused', fuseHeads(layers, x, x, x))
  give('parts', attentionInParts(layers, graph.node('Mul', [x, graph.scalar(layers.headWidth ** -0.5)]), x, x))
  return graph.build()
}

/** `x` [rows, nState] → `y` [1, nState], the first row of what the encoder's first MLP makes of x: the matrices that the encoder is mostly made of. */
export function buildEncoderProducts(checkpoint: Checkpoint, rows: number, floats: FloatType): BuiltGraph {
  const { nState, nAudioHead } = checkpoint.dimensions
  const graph = new GraphBuilder(checkpoint.tensors, floats)
  const layers = new Layers(graph, nState, nAudioHead)
  const given = graph.input('x', 'F32', [rows, nState])
  const x = floats === 'F32' ? given : graph.cast(given, floats)
  const row = graph.node('Gather', [layers.mlp(x, 'encoder.layers.0'), graph.integers([0])])
  graph.output('y', floats === 'F32' ? row : graph.cast(row, 'F32'), [1, nState])
  return graph.build()
}
