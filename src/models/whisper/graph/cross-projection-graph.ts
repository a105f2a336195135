import type { Dimensions } from '../weights/whisper-weights.ts'
import { GraphBuilder, NO_VALUE } from '../../../speech/graph/graph-builder.ts'
import type { BuiltGraph, Value } from '../../../speech/graph/graph-builder.ts'
import { Layers } from '../../../speech/graph/layers.ts'

export type CrossWeightType = 'F32' | 'I8'

/**
 * A decoder layer's keys and values of what the encoder gives: all that its cross-attention reads of a window. They depend on the
 * window alone, so they are computed once.
 *
 * The layer's weights are inputs, so one graph serves all layers, one after the other: onnxruntime-node copies what a graph gives, and
 * the copies of all layers at once would take as much memory as the caches themselves (small: 110 MB, large: 490 MB).
 *
 * `encoded` [nAudioCtx, nState], `key_weight` and `value_weight`, `value_bias` [nState] → `key` [1, heads, nAudioCtx, headWidth] and
 * `value` [1, heads, headWidth, nAudioCtx]. Weights are [out, in]; in integers [in, out], with `key_scale` and `value_scale` [out].
 * @param type of the weights
 */
export function buildCrossProjection({ nAudioCtx, nState, nTextHead }: Dimensions, type: CrossWeightType): BuiltGraph {
  const graph = new GraphBuilder(new Map())
  const layers = new Layers(graph, nState, nTextHead)
  const encoded = graph.input('encoded', 'F32', [nAudioCtx, nState])
  const project = (name: 'key' | 'value', bias: Value): Value => {
    const weight = graph.input(`${name}_weight`, type, [nState, nState])
    if (type === 'F32') return graph.node('Gemm', [encoded, weight, bias], { transB: 1 })
    const scale = graph.input(`${name}_scale`, 'F32', [nState])
    return graph.contrib('DynamicQuantizeMatMul', [encoded, weight, scale, NO_VALUE, bias])
  }
  const shape = graph.integers([1, -1, nTextHead, layers.headWidth])
  const key = layers.split(project('key', NO_VALUE), shape)
  const value = layers.split(project('value', graph.input('value_bias', 'F32', [nState])), shape, true)
  graph.output('key', key, [1, nTextHead, nAudioCtx, layers.headWidth])
  graph.output('value', value, [1, nTextHead, layers.headWidth, nAudioCtx])
  return graph.build()
}
