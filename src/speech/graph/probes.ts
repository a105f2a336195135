import { GraphBuilder } from './graph-builder.ts'
import type { BuiltGraph, Value } from './graph-builder.ts'
import { attentionInParts, fuseHeads } from './attention.ts'
import { Layers } from './layers.ts'
import type { FloatType } from '../../contract/device.ts'

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
