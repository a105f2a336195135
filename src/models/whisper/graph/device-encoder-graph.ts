import type { WhisperWeights } from '../weights/whisper-weights.ts'
import { encodeAudio } from './encoder-graph.ts'
import { fusedAttention, partedAttention } from '../../../speech/graph/attention.ts'
import { GraphBuilder } from '../../../speech/graph/graph-builder.ts'
import type { BuiltGraph } from '../../../speech/graph/graph-builder.ts'
import { Layers } from '../../../speech/graph/layers.ts'
import type { FloatType } from '../../../contract/device.ts'

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
export function buildDeviceEncoder(weights: WhisperWeights, floats: FloatType, isFused: boolean): BuiltGraph {
  const { nAudioCtx, nState, nTextHead, nTextLayer } = weights.dimensions
  const graph = new GraphBuilder(weights.tensors, floats)
  const encoded = encodeAudio(graph, weights, isFused ? fusedAttention : partedAttention)
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
