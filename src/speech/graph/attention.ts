import type { Value } from './graph-builder.ts'
import type { Layers } from './layers.ts'

/** Self-attention of rows [length, width], by the weights of this name. */
export type SelfAttention = (layers: Layers, rows: Value, name: string) => Value

export const fusedAttention: SelfAttention = (layers, rows, name) =>
  fuseHeads(layers, layers.queries(rows, name), layers.keys(rows, name), layers.values(rows, name))

/** @param queries not scaled yet */
export function fuseHeads(layers: Layers, queries: Value, keys: Value, values: Value): Value {
  const { graph, width, heads } = layers
  const batch = graph.integers([1, -1, width])
  const inputs = [queries, keys, values].map((rows) => graph.node('Reshape', [rows, batch]))
  const attention = graph.contrib('MultiHeadAttention', inputs, { num_heads: heads })
  return graph.node('Reshape', [attention, graph.integers([-1, width])])
}

export const partedAttention: SelfAttention = (layers, rows, name) =>
  attentionInParts(layers, layers.scaledQueries(rows, name), layers.keys(rows, name), layers.values(rows, name))

/** In three operators that every device has; the scores [heads, length, length] are kept in between. */
export function attentionInParts(layers: Layers, scaledQueries: Value, keys: Value, values: Value): Value {
  const { graph } = layers
  const shape = graph.integers([1, -1, layers.heads, layers.headWidth])
  const scores = graph.node('MatMul', [layers.split(scaledQueries, shape), layers.split(keys, shape, true)])
  const weights = graph.node('Softmax', [scores], { axis: -1 })
  return layers.merge(graph.node('MatMul', [weights, layers.split(values, shape)]))
}
