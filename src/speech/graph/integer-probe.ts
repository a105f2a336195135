import { GraphBuilder, NO_VALUE } from './graph-builder.ts'

export const PROBE_WIDTH = 64
const LARGEST = 127

/** What the probe gives for ones. */
export const PROBE_RESULT = PROBE_WIDTH * LARGEST

/** `x` [1, 64] → `y` [1, 32]: the product with the largest weights that a byte holds, in integer arithmetic. */
export function buildIntegerProbe(): Uint8Array {
  const outputs = 32
  const graph = new GraphBuilder(new Map())
  const x = graph.input('x', 'F32', [1, PROBE_WIDTH])
  const weights = graph.bytes(new Int8Array(PROBE_WIDTH * outputs).fill(LARGEST), [PROBE_WIDTH, outputs])
  const product = graph.contrib('DynamicQuantizeMatMul', [x, weights, graph.scalar(1), NO_VALUE])
  graph.output('y', product, [1, outputs])
  return graph.serialise()
}
