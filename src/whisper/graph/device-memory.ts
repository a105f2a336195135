import { GraphBuilder } from './graph-builder.ts'
import type { BuiltGraph, FloatType } from './graph-builder.ts'

/** `value` [1] and `shape` [4] → `filled`, a tensor of this shape, in the precision. */
export function buildFilled(floats: FloatType): BuiltGraph {
  const graph = new GraphBuilder(new Map(), floats)
  const given = graph.input('value', 'F32', [1])
  const value = floats === 'F32' ? given : graph.cast(given, floats)
  graph.own('filled', 'Expand', [value, graph.input('shape', 'I64', [4])], ['a', 'b', 'c', 'd'])
  return graph.build()
}

/** `first` [a, b, c, d] and `second` [a, b, e, d] → `joined` [a, b, c + e, d]. */
export function buildJoined(floats: FloatType): BuiltGraph {
  const graph = new GraphBuilder(new Map(), floats)
  const first = graph.input('first', floats, ['a', 'b', 'c', 'd'])
  const second = graph.input('second', floats, ['a', 'b', 'e', 'd'])
  graph.own('joined', 'Concat', [first, second], ['a', 'b', 'f', 'd'], { axis: 2 })
  return graph.build()
}
