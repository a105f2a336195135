import { GraphBuilder } from './graph-builder.ts'
import type { BuiltGraph, Precision } from './graph-builder.ts'

/** `value` [1] and `shape` [4] → `filled`, a tensor of this shape, in the precision. */
export function buildFilled(precision: Precision): BuiltGraph {
  const graph = new GraphBuilder(new Map(), precision)
  const given = graph.input('value', 'F32', [1])
  const value = precision === 'F32' ? given : graph.cast(given, precision)
  graph.own('filled', 'Expand', [value, graph.input('shape', 'I64', [4])], ['a', 'b', 'c', 'd'])
  return graph.build()
}

/** `first` [a, b, c, d] and `second` [a, b, e, d] → `joined` [a, b, c + e, d]. */
export function buildJoined(precision: Precision): BuiltGraph {
  const graph = new GraphBuilder(new Map(), precision)
  const first = graph.input('first', precision, ['a', 'b', 'c', 'd'])
  const second = graph.input('second', precision, ['a', 'b', 'e', 'd'])
  graph.own('joined', 'Concat', [first, second], ['a', 'b', 'f', 'd'], { axis: 2 })
  return graph.build()
}
