import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { encodeAudio, fusedAttention } from './encoder.ts'
import type { SelfAttention } from './encoder.ts'
import { GraphBuilder } from './graph-builder.ts'
import type { BuiltGraph, FloatType, Value } from './graph-builder.ts'
import { Layers } from './layers.ts'

const partedAttention: SelfAttention = (layers, rows, name) =>
  attentionInParts(layers, layers.scaledQueries(rows, name), layers.keys(rows, name), layers.values(rows, name))

/** In three operators that every device has; the scores [heads, nAudioCtx, nAudioCtx] are kept in between. */
export function attentionInParts(layers: Layers, scaledQueries: Value, keys: Value, values: Value): Value {
  const { graph } = layers
  const shape = graph.integers([1, -1, layers.heads, layers.headWidth])
  const scores = graph.node('MatMul', [layers.split(scaledQueries, shape), layers.split(keys, shape, true)])
  const weights = graph.node('Softmax', [scores], { axis: -1 })
  return layers.merge(graph.node('MatMul', [weights, layers.split(values, shape)]))
}

/**
 * The audio encoder for a device that keeps the cross-attention's keys and values of all slots.
 *
 * Inputs: `mel` [1, nMels, 2·nAudioCtx]; `slot` [1, 1]; for each decoder layer `cross_key_<n>` [slots, heads, headWidth, nAudioCtx]
 * and `cross_value_<n>` [slots, heads, nAudioCtx, headWidth], in the graph's floats.
 *
 * Outputs: `encoded` [1, nAudioCtx, nState], float32; for each decoder layer `new_cross_key_<n>` and `new_cross_value_<n>`, which are
 * the inputs but for the slot's part: to be written to the inputs' own memory.
 * @param isFused whether the device's fused attention can be trusted
 */
export function buildDeviceEncoder(checkpoint: Checkpoint, floats: FloatType, isFused: boolean): BuiltGraph {
  const { nAudioCtx, nState, nTextHead, nTextLayer } = checkpoint.dimensions
  const graph = new GraphBuilder(checkpoint.tensors, floats)
  const encoded = encodeAudio(graph, checkpoint, isFused ? fusedAttention : partedAttention)
  const batch = graph.node('Reshape', [encoded, graph.integers([1, -1, nState])])
  graph.output('encoded', floats === 'F32' ? batch : graph.cast(batch, 'F32'), [1, nAudioCtx, nState])

  const slot = graph.input('slot', 'I64', [1, 1])
  const layers = new Layers(graph, nState, nTextHead)
  const heads = graph.integers([1, -1, nTextHead, layers.headWidth])
  for (let n = 0; n < nTextLayer; n++) {
    const name = `decoder.layers.${n}.encoder_attn`
    const key = layers.split(layers.keys(encoded, name), heads, true)
    const value = layers.split(layers.values(encoded, name), heads)
    const keyShape = ['slots', nTextHead, layers.headWidth, nAudioCtx]
    const valueShape = ['slots', nTextHead, nAudioCtx, layers.headWidth]
    const keys = graph.input(`cross_key_${n}`, floats, keyShape)
    const values = graph.input(`cross_value_${n}`, floats, valueShape)
    graph.output(`new_cross_key_${n}`, graph.node('ScatterND', [keys, slot, key]), keyShape, floats)
    graph.output(`new_cross_value_${n}`, graph.node('ScatterND', [values, slot, value]), valueShape, floats)
  }
  return graph.build()
}
