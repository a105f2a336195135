import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { GraphBuilder } from './graph-builder.ts'
import type { BuiltGraph } from './graph-builder.ts'
import { Layers } from './layers.ts'

/** Begins the names of the outputs that word timestamps are made of. */
export const ALIGNMENT_PREFIX = 'alignment_'

/**
 * The text decoder with its caches, for n sequences over one window.
 *
 * Inputs: `tokens` [n, t]; `positions` [t], theirs in the text; `mask` [t, past + t], what is added to the scores of the
 * self-attention; `logits_at` [k], the indices among the t tokens whose logits are wanted; for each layer `past_key_<n>`
 * [n, heads, headWidth, past] and `past_value_<n>` [n, heads, past, headWidth], and the encoder's `cross_key_<n>` and
 * `cross_value_<n>`. Outputs: `logits` [n, k, nVocab]; `key_<n>` and `value_<n>`, which are the past of the next step; and
 * `alignment_<n>` [1, alignment heads, n·t, nAudioCtx], the cross-attention's scores, for the layers that have such heads.
 *
 * The sequences share the window's cross-attention, so they are folded into the length of its queries: its keys and values are
 * read once a step, not once a sequence.
 */
export function buildDecoder(checkpoint: Checkpoint): BuiltGraph {
  const { nAudioCtx, nState, nTextCtx, nTextHead, nTextLayer, nVocab } = checkpoint.dimensions
  const graph = new GraphBuilder(checkpoint.tensors)
  const layers = new Layers(graph, nState, nTextHead)
  const { headWidth } = layers
  const one = graph.integers([1])

  const tokens = graph.input('tokens', 'I64', ['n', 't'])
  const positions = graph.input('positions', 'I64', ['t'])
  const mask = graph.input('mask', 'F32', ['t', 'all'])
  const logitsAt = graph.input('logits_at', 'I64', ['k'])
  const n = graph.node('Shape', [tokens], { start: 0, end: 1 })
  const rows = graph.integers([-1, nState])

  const embedding = graph.weight('decoder.embed_tokens.weight', [nVocab, nState])
  const positional = graph.weight('decoder.embed_positions.weight', [nTextCtx, nState])
  const embedded = layers.add(graph.node('Gather', [embedding, tokens]), graph.node('Gather', [positional, positions]))
  let x = graph.node('Reshape', [embedded, rows])
  for (let layer = 0; layer < nTextLayer; layer++) {
    const name = `decoder.layers.${layer}`
    const pastKey = graph.input(`past_key_${layer}`, 'F32', ['n', nTextHead, headWidth, 'past'])
    const pastValue = graph.input(`past_value_${layer}`, 'F32', ['n', nTextHead, 'past', headWidth])
    const crossKey = graph.input(`cross_key_${layer}`, 'F32', [1, nTextHead, headWidth, nAudioCtx])
    const crossValue = graph.input(`cross_value_${layer}`, 'F32', [1, nTextHead, nAudioCtx, headWidth])

    const normed = layers.layerNorm(x, `${name}.self_attn_layer_norm`)
    const newKey = layers.split(layers.keys(normed, `${name}.self_attn`), n, true)
    const newValue = layers.split(layers.values(normed, `${name}.self_attn`), n)
    const key = graph.node('Concat', [pastKey, newKey], { axis: 3 })
    const value = graph.node('Concat', [pastValue, newValue], { axis: 2 })
    graph.output(`key_${layer}`, key, ['n', nTextHead, headWidth, 'all'])
    graph.output(`value_${layer}`, value, ['n', nTextHead, 'all', headWidth])
    const queries = layers.split(layers.queries(normed, `${name}.self_attn`), n)
    const masked = layers.add(layers.scores(queries, key), mask)
    x = layers.add(x, layers.project(layers.attend(masked, value), `${name}.self_attn`))

    const crossNormed = layers.layerNorm(x, `${name}.encoder_attn_layer_norm`)
    const folded = layers.split(layers.queries(crossNormed, `${name}.encoder_attn`), one)
    const scores = layers.scores(folded, crossKey)
    const heads = checkpoint.alignmentHeads[layer] ?? []
    if (heads.length > 0) {
      const aligned = graph.node('Gather', [scores, graph.integers(heads)], { axis: 1 })
      graph.output(`${ALIGNMENT_PREFIX}${layer}`, aligned, [1, heads.length, 'all_queries', nAudioCtx])
    }
    x = layers.add(x, layers.project(layers.attend(scores, crossValue), `${name}.encoder_attn`))
    x = layers.add(x, layers.mlp(layers.layerNorm(x, `${name}.final_layer_norm`), name))
  }

  const bySequence = graph.node('Reshape', [x, graph.node('Concat', [n, rows], { axis: 0 })])
  const wanted = graph.node('Reshape', [graph.node('Gather', [bySequence, logitsAt], { axis: 1 }), rows])
  const scores = graph.node('Gemm', [layers.layerNorm(wanted, 'decoder.layer_norm'), embedding], { transB: 1 })
  const logits = graph.node('Reshape', [scores, graph.node('Concat', [n, graph.integers([-1, nVocab])], { axis: 0 })])
  graph.output('logits', logits, ['n', 'k', nVocab])
  return graph.build()
}
