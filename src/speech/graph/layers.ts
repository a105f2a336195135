import { Q4_BLOCK } from '../weights/quantiser.ts'
import { SCALE_SUFFIX } from '../weights/quantised-copy.ts'
import { NO_VALUE } from './graph-builder.ts'
import type { GraphBuilder, Value } from './graph-builder.ts'

/** The pieces that encoder and decoder share. Activations are kept as rows, [rows, width], since that is what Gemm takes. */
export class Layers {
  readonly graph: GraphBuilder
  readonly width: number
  readonly heads: number
  readonly headWidth: number

  constructor(graph: GraphBuilder, width: number, heads: number) {
    this.graph = graph
    this.width = width
    this.heads = heads
    this.headWidth = width / heads
  }

  /** x·Wᵀ + b: models keep a linear layer's weights as [out, in]. Whisper's keys have no bias. */
  linear(rows: Value, name: string, outputs: number, inputs: number, hasBias = true): Value {
    const bias = hasBias ? this.graph.weight(`${name}.bias`, [outputs]) : NO_VALUE
    return this.product(rows, `${name}.weight`, bias, outputs, inputs)
  }

  /** @param bias [outputs]; may be left out */
  product(rows: Value, weight: string, bias: Value, outputs: number, inputs: number): Value {
    switch (this.graph.typeOf(weight)) {
      case 'I8':
        return this.#integerProduct(rows, weight, bias, outputs, inputs)
      case 'U8':
        return this.#nibbleProduct(rows, weight, bias, outputs, inputs)
      case 'F32':
      case 'F16':
      case 'BF16':
      case undefined:
        return this.graph.node('Gemm', [rows, this.graph.weight(weight, [outputs, inputs]), bias], { transB: 1 })
    }
  }

  /** In 8-bit integers: the weights scaled for each output, the rows for each product. */
  #integerProduct(rows: Value, weight: string, bias: Value, outputs: number, inputs: number): Value {
    const integers = this.graph.stored(weight, [inputs, outputs])
    const scale = this.graph.weight(`${weight}${SCALE_SUFFIX}`, [outputs])
    return this.graph.contrib('DynamicQuantizeMatMul', [rows, integers, scale, NO_VALUE, bias])
  }

  /** Weights of four bits, widened on the way to 8-bit integer arithmetic with rows that are scaled by blocks (`accuracy_level` 4). */
  #nibbleProduct(rows: Value, weight: string, bias: Value, outputs: number, inputs: number): Value {
    const blocks = inputs / Q4_BLOCK
    const integers = this.graph.stored(weight, [outputs, blocks, Q4_BLOCK / 2])
    const scale = this.graph.weight(`${weight}${SCALE_SUFFIX}`, [outputs * blocks])
    const attributes = { K: inputs, N: outputs, bits: 4, block_size: Q4_BLOCK, accuracy_level: 4 }
    return this.graph.contrib('MatMulNBits', [rows, integers, scale, NO_VALUE, NO_VALUE, bias], attributes)
  }

  layerNorm(value: Value, name: string): Value {
    const scale = this.graph.weight(`${name}.weight`, [this.width])
    const bias = this.graph.weight(`${name}.bias`, [this.width])
    return this.graph.node('LayerNormalization', [value, scale, bias], { axis: -1, epsilon: { float: 1e-5 } })
  }

  add(one: Value, other: Value): Value {
    return this.graph.node('Add', [one, other])
  }

  /** The exact GELU, by the error function. */
  gelu(value: Value): Value {
    return this.graph.contrib('Gelu', [value])
  }

  mlp(rows: Value, name: string): Value {
    const inner = this.gelu(this.linear(rows, `${name}.fc1`, 4 * this.width, this.width))
    return this.linear(inner, `${name}.fc2`, this.width, 4 * this.width)
  }

  queries(rows: Value, name: string): Value {
    return this.linear(rows, `${name}.q_proj`, this.width, this.width)
  }

  /** By 1/√headWidth, which the reference splits between queries and keys. */
  scaledQueries(rows: Value, name: string): Value {
    return this.graph.node('Mul', [this.queries(rows, name), this.graph.scalar(this.headWidth ** -0.5)])
  }

  keys(rows: Value, name: string): Value {
    return this.linear(rows, `${name}.k_proj`, this.width, this.width, false)
  }

  values(rows: Value, name: string): Value {
    return this.linear(rows, `${name}.v_proj`, this.width, this.width)
  }

  /**
   * [batch·length, width] → [batch, heads, length, headWidth], or with `isTransposed` [batch, heads, headWidth, length].
   * @param shape [batch, length, heads, headWidth]
   */
  split(rows: Value, shape: Value, isTransposed = false): Value {
    const split = this.graph.node('Reshape', [rows, shape])
    return this.graph.node('Transpose', [split], { perm: isTransposed ? [0, 2, 3, 1] : [0, 2, 1, 3] })
  }

  /** [batch, heads, length, headWidth] → [batch·length, width]. */
  merge(heads: Value): Value {
    const transposed = this.graph.node('Transpose', [heads], { perm: [0, 2, 1, 3] })
    return this.graph.node('Reshape', [transposed, this.graph.integers([-1, this.width])])
  }

  project(rows: Value, name: string): Value {
    return this.linear(rows, `${name}.out_proj`, this.width, this.width)
  }
}
