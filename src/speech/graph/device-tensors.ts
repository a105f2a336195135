import { GraphBuilder } from './graph-builder.ts'
import type { BuiltGraph } from './graph-builder.ts'
import type { FloatType } from '../../contract/device.ts'

/** `value` [1] and `shape` [4] → `filled`, a tensor of this shape, in the precision. */
export function buildFilled(floats: FloatType): BuiltGraph {
  const graph = new GraphBuilder(new Map(), floats)
  const given = graph.input('value', 'F32', [1])
  const value = floats === 'F32' ? given : graph.cast(given, floats)
  const filled = graph.node('Expand', [value, graph.input('shape', 'I64', [4])])
  graph.output('filled', filled, ['a', 'b', 'c', 'd'], floats)
  return graph.build()
}

/** `first` [a, b, c, d] and `second` [a, b, e, d] → `joined` [a, b, c + e, d]. */
export function buildJoined(floats: FloatType): BuiltGraph {
  const graph = new GraphBuilder(new Map(), floats)
  const first = graph.input('first', floats, ['a', 'b', 'c', 'd'])
  const second = graph.input('second', floats, ['a', 'b', 'e', 'd'])
  graph.output('joined', graph.node('Concat', [first, second], { axis: 2 }), ['a', 'b', 'f', 'd'], floats)
  return graph.build()
}
