import type { WhisperWeights } from '../weights/whisper-weights.ts'
import { fusedAttention } from '../../../speech/graph/attention.ts'
import type { SelfAttention } from '../../../speech/graph/attention.ts'
import { GraphBuilder } from '../../../speech/graph/graph-builder.ts'
import type { BuiltGraph, Value } from '../../../speech/graph/graph-builder.ts'
import { Layers } from '../../../speech/graph/layers.ts'

/** Frames of a window, two for each position of the encoder. */
const FRAMES_PER_POSITION = 2

/**
 * The audio encoder: `mel` [1, nMels, 2·nAudioCtx] → `encoded` [nAudioCtx, nState].
 *
 * The self-attention is one fused operator, which goes through the keys tile by tile: a sixth faster than two products with a softmax
 * in between, and without their scores, which take 9 MB a head.
 */
export function buildEncoder(weights: WhisperWeights): BuiltGraph {
  const { nAudioCtx, nState } = weights.dimensions
  const graph = new GraphBuilder(weights.tensors)
  graph.output('encoded', encodeAudio(graph, weights, fusedAttention), [nAudioCtx, nState])
  return graph.build()
}

/** The input `mel` and what becomes of it: [nAudioCtx, nState]. */
export function encodeAudio(graph: GraphBuilder, weights: WhisperWeights, attend: SelfAttention): Value {
  const { nMels, nAudioCtx, nState, nAudioHead, nAudioLayer } = weights.dimensions
  const layers = new Layers(graph, nState, nAudioHead)
  const rows = graph.integers([-1, nState])
  const given = graph.input('mel', 'F32', [1, nMels, FRAMES_PER_POSITION * nAudioCtx])
  const mel = graph.floats === 'F32' ? given : graph.cast(given, graph.floats)
  const convolve = (input: Value, name: string, inputs: number, stride: number): Value => {
    const weight = graph.weight(`encoder.${name}.weight`, [nState, inputs, 3])
    const bias = graph.weight(`encoder.${name}.bias`, [nState])
    return layers.gelu(
      graph.node('Conv', [input, weight, bias], { kernel_shape: [3], pads: [1, 1], strides: [stride] }),
    )
  }
  const convolved = convolve(convolve(mel, 'conv1', nMels, 1), 'conv2', nState, FRAMES_PER_POSITION)
  const positions = graph.weight('encoder.embed_positions.weight', [nAudioCtx, nState])
  let x = layers.add(
    graph.node('Reshape', [graph.node('Transpose', [convolved], { perm: [0, 2, 1] }), rows]),
    positions,
  )
  for (let n = 0; n < nAudioLayer; n++) {
    const name = `encoder.layers.${n}`
    const normed = layers.layerNorm(x, `${name}.self_attn_layer_norm`)
    x = layers.add(x, layers.project(attend(layers, normed, `${name}.self_attn`), `${name}.self_attn`))
    x = layers.add(x, layers.mlp(layers.layerNorm(x, `${name}.final_layer_norm`), name))
  }
  return layers.layerNorm(x, 'encoder.layer_norm')
}
