import type { TensorType } from './safetensors.ts'

/**
 * How the weights of linear layers are kept. `q8`: 8-bit integers for integer arithmetic, a scale for each output;
 * `q4`: 4-bit ones that are widened as they are used, a scale for each 32 inputs of an output.
 */
export type Quantisation =
  | {
      readonly type: 'q8'
      /** The largest integer. */
      readonly limit: 127 | 63
    }
  | { readonly type: 'q4' }

/** Inputs that share a scale. */
export const Q4_BLOCK = 32
const Q4_ZERO = 8

/** Turns a matrix [outputs, inputs], given in rows from the first to the last, into integers and scales. */
export interface Quantiser {
  readonly type: TensorType
  readonly shape: readonly number[]
  /** Bytes of `shape`. */
  readonly integers: Uint8Array
  readonly scales: Float32Array
  /** @param rows [n, inputs], row-major, beginning at row `first` */
  add(rows: Float32Array, first: number): void
}

export function createQuantiser(quantisation: Quantisation, outputs: number, inputs: number): Quantiser {
  return quantisation.type === 'q8'
    ? new ByteQuantiser(outputs, inputs, quantisation.limit)
    : new NibbleQuantiser(outputs, inputs)
}

/** [inputs, outputs], as `DynamicQuantizeMatMul` takes it. */
class ByteQuantiser implements Quantiser {
  readonly type = 'I8'
  readonly shape: readonly number[]
  readonly integers: Uint8Array
  readonly scales: Float32Array
  readonly #signed: Int8Array
  readonly #inputs: number
  readonly #limit: number

  constructor(outputs: number, inputs: number, limit: number) {
    this.shape = [inputs, outputs]
    this.#signed = new Int8Array(inputs * outputs)
    this.integers = new Uint8Array(this.#signed.buffer)
    this.scales = new Float32Array(outputs)
    this.#inputs = inputs
    this.#limit = limit
  }

  add(rows: Float32Array, first: number): void {
    const outputs = this.scales.length
    for (let row = 0; row < rows.length / this.#inputs; row++) {
      const weights = rows.subarray(row * this.#inputs, (row + 1) * this.#inputs)
      const scale = largest(weights) / this.#limit
      this.scales[first + row] = scale
      const inverse = scale === 0 ? 0 : 1 / scale
      for (let input = 0; input < this.#inputs; input++) {
        this.#signed[input * outputs + first + row] = Math.round(weights[input]! * inverse)
      }
    }
  }
}

/** [outputs, blocks, 16], as `MatMulNBits` takes it: the lower half of a byte comes first, 8 stands for zero. */
class NibbleQuantiser implements Quantiser {
  readonly type = 'U8'
  readonly shape: readonly number[]
  readonly integers: Uint8Array
  readonly scales: Float32Array
  readonly #inputs: number

  constructor(outputs: number, inputs: number) {
    const blocks = inputs / Q4_BLOCK
    this.shape = [outputs, blocks, Q4_BLOCK / 2]
    this.integers = new Uint8Array((outputs * inputs) / 2)
    this.scales = new Float32Array(outputs * blocks)
    this.#inputs = inputs
  }

  add(rows: Float32Array, first: number): void {
    let block = (first * this.#inputs) / Q4_BLOCK
    for (let at = 0; at < rows.length; at += Q4_BLOCK, block++) {
      const weights = rows.subarray(at, at + Q4_BLOCK)
      // The range of four bits, −8 to 7, is used best when the value that is largest by magnitude becomes −8.
      const extreme = weights.reduce((one, other) => (Math.abs(other) > Math.abs(one) ? other : one), 0)
      const scale = extreme / -Q4_ZERO
      this.scales[block] = scale
      const inverse = scale === 0 ? 0 : 1 / scale
      const nibble = (value: number): number => Math.min(15, Math.max(0, Math.round(value * inverse) + Q4_ZERO))
      for (let i = 0; i < Q4_BLOCK; i += 2) {
        const [low, high] = [nibble(weights[i]!), nibble(weights[i + 1]!)]
        this.integers[(block * Q4_BLOCK + i) / 2] = low | (high << 4)
      }
    }
  }
}

function largest(values: Float32Array): number {
  let found = 0
  for (const value of values) found = Math.max(found, Math.abs(value))
  return found
}
