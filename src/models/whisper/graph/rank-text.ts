import type { GraphBuilder, Value } from '../../../speech/graph/graph-builder.ts'

/** As many as WebGPU's TopK sorts in one go; it takes 136 passes over the memory for a vocabulary of 50,000. */
const LARGEST_PART = 2048

/** How the text tokens are divided to be ranked. */
export interface Ranking {
  /** Tokens of a part. */
  readonly width: number
  readonly parts: number
}

/**
 * The most probable text tokens, with what WebGPU has: the top of each part of the vocabulary, then the top of these.
 *
 * Inputs: `mask_tokens` [m, nVocab], `mask_at` [k], `top` = [t], `top_shape` = [k, parts · t].
 *
 * Outputs: `part_tokens` [k · parts, t], the most probable tokens of each part, counted from its first one; `top_at` [k, t], where among
 * these the most probable of all stand; `top_logits` [k, t], with the mask; `top_logprob` [k, 1], the log-probability of the first of
 * them among the text tokens.
 * @param logits [k, nVocab], float32
 * @param timestampBegin the text tokens are those below; the masks have to hide those above
 */
export function rankText(graph: GraphBuilder, logits: Value, nVocab: number, timestampBegin: number): Ranking {
  const ranking = rankingOf(nVocab, timestampBegin)
  const { width, parts } = ranking
  const maskTokens = graph.input('mask_tokens', 'F32', ['m', nVocab])
  const maskAt = graph.input('mask_at', 'I32', ['k'])
  const top = graph.input('top', 'I64', [1])
  const topShape = graph.input('top_shape', 'I64', [2])
  const [zero, one] = [graph.integers([0]), graph.integers([1])]

  const masked = graph.node('Add', [logits, graph.node('Gather', [maskTokens, maskAt])])
  const text = graph.node('Slice', [masked, zero, graph.integers([width * parts]), one])
  const inParts = graph.node('Reshape', [text, graph.integers([-1, width])])
  const [bestOfParts, partTokens] = graph.pair('TopK', [inParts, top])
  const [best, topAt] = graph.pair('TopK', [graph.node('Reshape', [bestOfParts, topShape]), top])
  graph.output('part_tokens', graph.cast(partTokens, 'I32'), ['k·parts', 't'], 'I32')
  graph.output('top_at', graph.cast(topAt, 'I32'), ['k', 't'], 'I32')

  // The sum of all exponentials, in two steps, since a reduction goes through a row one by one.
  const highest = graph.node('Slice', [best, zero, one, one])
  const exponentials = graph.node('Exp', [graph.node('Sub', [text, highest])])
  const sumsOfParts = graph.node('ReduceSum', [graph.node('Reshape', [exponentials, graph.integers([-1, width])]), one])
  const sums = graph.node('ReduceSum', [graph.node('Reshape', [sumsOfParts, graph.integers([-1, parts])]), one])
  graph.output('top_logits', best, ['k', 't'])
  graph.output('top_logprob', graph.node('Neg', [graph.node('Log', [sums])]), ['k', 1])
  return ranking
}

/** The widest parts of equal width that end within the vocabulary: what the last one has beyond the text is hidden by the mask. */
function rankingOf(nVocab: number, timestampBegin: number): Ranking {
  let width = LARGEST_PART
  while (Math.ceil(timestampBegin / width) * width > nVocab) width /= 2
  return { width, parts: Math.ceil(timestampBegin / width) }
}
