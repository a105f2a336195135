import type { WhisperWeights } from '../weights/whisper-weights.ts'
import { EMBEDDING, OUTPUT_PROJECTION } from '../../../speech/weights/quantised-copy.ts'
import { GraphBuilder } from '../../../speech/graph/graph-builder.ts'
import type { BuiltGraph, Value } from '../../../speech/graph/graph-builder.ts'
import { Layers } from '../../../speech/graph/layers.ts'

/** Ids that part the vocabulary: the end of the text, and `<|0.00|>`. */
export interface SpecialTokens {
  readonly eot: number
  readonly timestampBegin: number
}

/** Begins the names of the outputs that word timestamps are made of. */
export const ALIGNMENT_PREFIX = 'alignment_'

/**
 * The text decoder, for w windows of n rows each: a row is a token that one of the window's sequences reads.
 *
 * The caches belong to the caller. A window has c cells, each with the keys and values of one token that was read; its sequences
 * share them, and a mask says which of them a row sees. So beams that change places cost nothing, what they have in common is kept
 * and read once, and the step gives back nothing but the keys and values of its own rows.
 *
 * Inputs: `tokens` and `positions` [w·n]; `shape` = [w, n, heads, headWidth]; `cells_and_rows` = [c, n];
 * `mask_cells` [w, 1, n, c] and `mask_rows` [1, 1, n, n], added to the scores of the self-attention: 0 or −∞;
 * for each layer `past_key_<n>` and `past_value_<n>` [w, heads, c, headWidth], and the encoder's `cross_key_<n>`
 * [w, heads, nAudioCtx, headWidth] and `cross_value_<n>` [w, heads, headWidth, nAudioCtx]; `logits_at` [k], the rows whose logits are
 * wanted; `mask_tokens` [nVocab], added to them; `top` = [m].
 *
 * Outputs: `keys_values` [layers, 2, w·n, nState], of the rows that were read; `logits` [k, nVocab]; `last_logits`
 * [k, nVocab − eot], those from `<|endoftext|>` on; `top_tokens` and `top_logits` [k, m], the m most probable text tokens (those below
 * `<|0.00|>`); `top_logprob` [k, 1], the log-probability of the first of them among the text tokens; `alignment_<n>`
 * [w, alignment heads, n, nAudioCtx], the cross-attention's scores, for the layers that have such heads. Each output that is asked for
 * is copied to JavaScript, so a step asks for little: `logits` are for the few that need them all.
 *
 * The rows of a window lie along the queries' length of its cross-attention, so that its keys and values are read once a step, not
 * once a sequence. They are the left side of both products: a matrix on the right is packed anew for each product, and packing the
 * few queries is cheap (0.56 ms a layer at 6 heads and 5 rows on one core, 0.90 ms the other way round).
 */
export function buildDecoder(weights: WhisperWeights, { eot, timestampBegin }: SpecialTokens): BuiltGraph {
  const { nAudioCtx, nState, nTextCtx, nTextHead, nTextLayer, nVocab } = weights.dimensions
  const graph = new GraphBuilder(weights.tensors)
  const layers = new Layers(graph, nState, nTextHead)
  const { headWidth } = layers
  const transposed = (value: Value): Value => graph.node('Transpose', [value], { perm: [0, 1, 3, 2] })

  const tokens = graph.input('tokens', 'I32', ['rows'])
  const positions = graph.input('positions', 'I32', ['rows'])
  const shape = graph.input('shape', 'I64', [4])
  const cellsAndRows = graph.input('cells_and_rows', 'I64', [2])
  const maskCells = graph.input('mask_cells', 'F32', ['w', 1, 'n', 'c'])
  const maskRows = graph.input('mask_rows', 'F32', [1, 1, 'n', 'n'])
  const logitsAt = graph.input('logits_at', 'I32', ['k'])
  const maskTokens = graph.input('mask_tokens', 'F32', [nVocab])
  const top = graph.input('top', 'I64', [1])

  let x = layers.add(
    graph.rows(EMBEDDING, [nVocab, nState], tokens),
    graph.rows('decoder.embed_positions.weight', [nTextCtx, nState], positions),
  )
  const keysValues: Value[] = []
  for (let layer = 0; layer < nTextLayer; layer++) {
    const name = `decoder.layers.${layer}`
    const pastKey = graph.input(`past_key_${layer}`, 'F32', ['w', nTextHead, 'c', headWidth])
    const pastValue = graph.input(`past_value_${layer}`, 'F32', ['w', nTextHead, 'c', headWidth])
    const crossKey = graph.input(`cross_key_${layer}`, 'F32', ['w', nTextHead, nAudioCtx, headWidth])
    const crossValue = graph.input(`cross_value_${layer}`, 'F32', ['w', nTextHead, headWidth, nAudioCtx])

    const normed = layers.layerNorm(x, `${name}.self_attn_layer_norm`)
    const key = layers.keys(normed, `${name}.self_attn`)
    const value = layers.values(normed, `${name}.self_attn`)
    keysValues.push(key, value)
    const queries = layers.split(layers.scaledQueries(normed, `${name}.self_attn`), shape)
    const ofCells = layers.add(graph.contrib('FusedMatMul', [queries, pastKey], { transB: 1 }), maskCells)
    const ofRows = layers.add(graph.node('MatMul', [queries, layers.split(key, shape, true)]), maskRows)
    const attention = graph.node('Softmax', [graph.node('Concat', [ofCells, ofRows], { axis: 3 })], { axis: -1 })
    const [cellWeights, rowWeights] = graph.pair('Split', [attention, cellsAndRows], { axis: 3 })
    const attended = layers.add(
      graph.node('MatMul', [cellWeights, pastValue]),
      graph.node('MatMul', [rowWeights, layers.split(value, shape)]),
    )
    x = layers.add(x, layers.project(layers.merge(attended), `${name}.self_attn`))

    const crossNormed = layers.layerNorm(x, `${name}.encoder_attn_layer_norm`)
    const crossQueries = layers.split(layers.scaledQueries(crossNormed, `${name}.encoder_attn`), shape, true)
    const scores = transposed(graph.node('MatMul', [crossKey, crossQueries]))
    const heads = weights.alignmentHeads[layer] ?? []
    if (heads.length > 0) {
      const aligned = graph.node('Gather', [scores, graph.integers(heads)], { axis: 1 })
      graph.output(`${ALIGNMENT_PREFIX}${layer}`, aligned, ['w', heads.length, 'n', nAudioCtx])
    }
    const heard = graph.node('MatMul', [crossValue, transposed(graph.node('Softmax', [scores], { axis: -1 }))])
    x = layers.add(x, layers.project(layers.merge(transposed(heard)), `${name}.encoder_attn`))
    x = layers.add(x, layers.mlp(layers.layerNorm(x, `${name}.final_layer_norm`), name))
  }

  const wanted = layers.layerNorm(graph.node('Gather', [x, logitsAt]), 'decoder.layer_norm')
  const projection = graph.typeOf(OUTPUT_PROJECTION) === undefined ? EMBEDDING : OUTPUT_PROJECTION
  const logits = layers.product(wanted, projection, maskTokens, nVocab, nState)
  graph.output('logits', logits, ['k', nVocab])
  const slice = (from: number, to: number): Value =>
    graph.node('Slice', [logits, graph.integers([from]), graph.integers([to]), graph.integers([1])])
  graph.output('last_logits', slice(eot, nVocab), ['k', nVocab - eot])
  const text = slice(0, timestampBegin)
  const [topLogits, topTokens] = graph.pair('TopK', [text, top])
  graph.output('top_logits', topLogits, ['k', 'm'])
  graph.output('top_tokens', graph.cast(topTokens, 'I32'), ['k', 'm'], 'I32')
  const logprobs = graph.node('LogSoftmax', [text], { axis: -1 })
  graph.output('top_logprob', graph.node('ReduceMax', [logprobs], { axes: [1] }), ['k', 1])
  const kept = graph.node('Concat', keysValues, { axis: 0 })
  const byLayer = graph.integers([nTextLayer, 2, -1, nState])
  graph.output('keys_values', graph.node('Reshape', [kept, byLayer]), [nTextLayer, 2, 'rows', nState])
  return graph.build()
}
