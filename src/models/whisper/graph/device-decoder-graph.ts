import type { WhisperWeights } from '../weights/whisper-weights.ts'
import { ALIGNMENT_PREFIX } from './decoder-graph.ts'
import type { SpecialTokens } from './decoder-graph.ts'
import { GraphBuilder } from '../../../speech/graph/graph-builder.ts'
import type { BuiltGraph, Value } from '../../../speech/graph/graph-builder.ts'
import { Layers } from '../../../speech/graph/layers.ts'
import { rankText } from './rank-text.ts'
import type { Ranking } from './rank-text.ts'
import type { FloatType } from '../../../contract/device.ts'

export interface DeviceDecoderGraph extends BuiltGraph {
  readonly ranking: Ranking
}

/**
 * The text decoder for a device that keeps the caches: one run for all windows that read something, whatever each one reads.
 *
 * There are r rows, a row for each token that a sequence of a window reads; all but the attention sees nothing but rows. The attention
 * sees the first w slots, each with n places for its rows: `place_rows` says which row stands at a place (any, where there is none),
 * `row_places` at which place a row stands. The keys and values of the rows are written to the cells that `cells` names, before the
 * attention reads the cells that `mask_cells` shows.
 *
 * Keys lie in the caches as [cells, headWidth], so that a row is written in one piece; the scores are computed as keys · queriesᵀ and
 * turned afterwards, since they are smaller than the keys.
 *
 * Inputs: `tokens`, `positions` and `row_places` [r]; `place_rows` [w·n]; `places` = [w, n, heads, headWidth]; `cells` [r, heads, 3]
 * (slot, head, cell); `mask_cells` [w, 1, n, c], added to the scores; for each layer `past_key_<n>` and `past_value_<n>`
 * [w, heads, c, headWidth], and `cross_key_<n>` and `cross_value_<n>` as the encoder's graph fills them; `logits_at` [k], rows;
 * `mask_tokens` [m, nVocab] and `mask_at` [k], which of these masks is added to the text tokens of a row before they are ranked;
 * `top` = [t] and `top_shape` = [k, parts · t]; `align_at` [a], slots.
 *
 * Outputs: for each layer `new_past_key_<n>` and `new_past_value_<n>`, to be written to the inputs' own memory; `logits` [k, nVocab]
 * and `last_logits` [k, nVocab − eot], those from `<|endoftext|>` on, both without the mask; those of `rankText`; `alignment_<n>`
 * [a, alignment heads, n, nAudioCtx].
 *
 * What JavaScript reads and writes is float32, whatever the graph calculates in; only the caches are not.
 */
export function buildDeviceDecoder(
  weights: WhisperWeights,
  { eot, timestampBegin }: SpecialTokens,
  floats: FloatType,
): DeviceDecoderGraph {
  const { nAudioCtx, nState, nTextCtx, nTextHead, nTextLayer, nVocab } = weights.dimensions
  const graph = new GraphBuilder(weights.tensors, floats)
  const layers = new Layers(graph, nState, nTextHead)
  const { headWidth } = layers
  const single = (value: Value): Value => (floats === 'F32' ? value : graph.cast(value, 'F32'))

  const tokens = graph.input('tokens', 'I32', ['r'])
  const positions = graph.input('positions', 'I32', ['r'])
  const placeRows = graph.input('place_rows', 'I32', ['w·n'])
  const rowPlaces = graph.input('row_places', 'I32', ['r'])
  const places = graph.input('places', 'I64', [4])
  const cells = graph.input('cells', 'I64', ['r', nTextHead, 3])
  const givenMask = graph.input('mask_cells', 'F32', ['w', 1, 'n', 'c'])
  const maskCells = floats === 'F32' ? givenMask : graph.cast(givenMask, floats)
  const alignAt = graph.input('align_at', 'I32', ['a'])
  const ofHeads = graph.integers([-1, nTextHead, headWidth])
  const queriesOf = (rows: Value, name: string, isTransposed: boolean): Value =>
    layers.split(graph.node('Gather', [layers.scaledQueries(rows, name), placeRows]), places, isTransposed)
  const rowsOf = (heads: Value): Value => graph.node('Gather', [layers.merge(heads), rowPlaces])

  const embedding = graph.weight('decoder.embed_tokens.weight', [nVocab, nState])
  const positional = graph.weight('decoder.embed_positions.weight', [nTextCtx, nState])
  let x = layers.add(graph.node('Gather', [embedding, tokens]), graph.node('Gather', [positional, positions]))
  for (let layer = 0; layer < nTextLayer; layer++) {
    const name = `decoder.layers.${layer}`
    const pastShape = ['w', nTextHead, 'c', headWidth]
    const pastKey = graph.input(`past_key_${layer}`, floats, pastShape)
    const pastValue = graph.input(`past_value_${layer}`, floats, pastShape)
    const crossKey = graph.input(`cross_key_${layer}`, floats, ['w', nTextHead, headWidth, nAudioCtx])
    const crossValue = graph.input(`cross_value_${layer}`, floats, ['w', nTextHead, nAudioCtx, headWidth])

    const normed = layers.layerNorm(x, `${name}.self_attn_layer_norm`)
    const key = graph.node('Reshape', [layers.keys(normed, `${name}.self_attn`), ofHeads])
    const value = graph.node('Reshape', [layers.values(normed, `${name}.self_attn`), ofHeads])
    const keys = graph.node('ScatterND', [pastKey, cells, key])
    const values = graph.node('ScatterND', [pastValue, cells, value])
    graph.output(`new_past_key_${layer}`, keys, pastShape, floats)
    graph.output(`new_past_value_${layer}`, values, pastShape, floats)
    const turned = graph.node('MatMul', [keys, queriesOf(normed, `${name}.self_attn`, true)])
    const scores = layers.add(graph.node('Transpose', [turned], { perm: [0, 1, 3, 2] }), maskCells)
    const attended = graph.node('MatMul', [graph.node('Softmax', [scores], { axis: -1 }), values])
    x = layers.add(x, layers.project(rowsOf(attended), `${name}.self_attn`))

    const crossNormed = layers.layerNorm(x, `${name}.encoder_attn_layer_norm`)
    const crossQueries = queriesOf(crossNormed, `${name}.encoder_attn`, false)
    const crossScores = graph.node('MatMul', [crossQueries, crossKey])
    const heads = weights.alignmentHeads[layer] ?? []
    if (heads.length > 0) {
      const ofSlots = graph.node('Gather', [crossScores, alignAt], { axis: 0 })
      const aligned = graph.node('Gather', [ofSlots, graph.integers(heads)], { axis: 1 })
      graph.output(`${ALIGNMENT_PREFIX}${layer}`, single(aligned), ['a', heads.length, 'n', nAudioCtx])
    }
    const heard = graph.node('MatMul', [graph.node('Softmax', [crossScores], { axis: -1 }), crossValue])
    x = layers.add(x, layers.project(rowsOf(heard), `${name}.encoder_attn`))
    x = layers.add(x, layers.mlp(layers.layerNorm(x, `${name}.final_layer_norm`), name))
  }

  const logitsAt = graph.input('logits_at', 'I32', ['k'])
  const wanted = layers.layerNorm(graph.node('Gather', [x, logitsAt]), 'decoder.layer_norm')
  const logits = single(graph.node('Gemm', [wanted, embedding], { transB: 1 }))
  graph.output('logits', logits, ['k', nVocab])
  const axis = graph.integers([1])
  const last = graph.node('Slice', [logits, graph.integers([eot]), graph.integers([nVocab]), axis])
  graph.output('last_logits', last, ['k', nVocab - eot])
  const ranking = rankText(graph, logits, nVocab, timestampBegin)
  return { ...graph.build(), ranking }
}
