import type { Constants, Scope } from './onnx-graph.ts'

/** How the exports store their matrices: float32; 8 bits, with activations quantised on the fly; 4 bits a weight. */
export type Dtype = 'fp32' | 'q8' | 'q4'

/** Multiplies by a matrix of the model, [outputs, inputs]. */
export interface Linear {
  apply(scope: Scope, input: string, weight: Matrix): string
}

export interface Matrix {
  readonly name: string
  readonly outputs: number
  readonly inputs: number
  readonly values: Float32Array
}

export function linear(dtype: Dtype): Linear {
  switch (dtype) {
    case 'fp32':
      return { apply: fullPrecision }
    case 'q8':
      return new DynamicQuantisation()
    case 'q4':
      return { apply: fourBits }
  }
}

function fullPrecision(scope: Scope, input: string, weight: Matrix): string {
  const { inputs, outputs } = weight
  const matrix = once(scope.constants, weight.name, (name) =>
    scope.constants.add(name, 'F32', [inputs, outputs], transpose(weight)),
  )
  return scope.node('MatMul', [input, matrix])
}

/** Seven bits of eight, for lack of which two products overflow the sixteen bits that older CPUs add them in. */
const Q8_MAXIMUM = 63

/** The operators that dynamic quantisation makes of a MatMul; ONNX Runtime fuses them. Scales are by output. */
class DynamicQuantisation implements Linear {
  /** By scope and value: what several matrices multiply is quantised once. */
  readonly #quantised = new WeakMap<Scope, Map<string, readonly string[]>>()

  apply(scope: Scope, input: string, weight: Matrix): string {
    const { constants } = scope
    const [values = '', scale = '', zero = ''] = this.#quantise(scope, input)
    const matrix = `${weight.name}_quantized`
    once(constants, matrix, () => addQ8(constants, matrix, weight))
    const product = scope.node('MatMulInteger', [values, matrix, zero, `${matrix}_zero`])
    const scales = scope.node('Mul', [scale, `${matrix}_scale`])
    return scope.node('Mul', [scope.node('Cast', [product], { to: 1 }), scales])
  }

  #quantise(scope: Scope, input: string): readonly string[] {
    const known = this.#quantised.get(scope) ?? new Map<string, readonly string[]>()
    this.#quantised.set(scope, known)
    const quantised = known.get(input) ?? scope.nodes('DynamicQuantizeLinear', [input], 3)
    known.set(input, quantised)
    return quantised
  }
}

function addQ8(constants: Constants, name: string, weight: Matrix): string {
  const { inputs, outputs } = weight
  const scales = new Float32Array(outputs)
  const quantised = new Int8Array(inputs * outputs)
  for (let output = 0; output < outputs; output++) {
    const row = weight.values.subarray(output * inputs, (output + 1) * inputs)
    const scale = maximum(row) / Q8_MAXIMUM
    scales[output] = scale
    for (const [index, value] of row.entries()) quantised[index * outputs + output] = Math.round(value / scale)
  }
  constants.add(`${name}_scale`, 'F32', [outputs], scales)
  constants.add(`${name}_zero`, 'I8', [outputs], new Int8Array(outputs))
  return constants.add(name, 'I8', [inputs, outputs], quantised)
}

const Q4_BLOCK = 32
const Q4_ZERO = 8

function fourBits(scope: Scope, input: string, weight: Matrix): string {
  const { inputs, outputs } = weight
  const matrix = `${weight.name}_q4`
  once(scope.constants, matrix, () => addQ4(scope.constants, matrix, weight))
  const attributes = { K: inputs, N: outputs, bits: 4, block_size: Q4_BLOCK }
  return scope.contrib('MatMulNBits', [input, matrix, `${matrix}_scale`], attributes)
}

/** [outputs, blocks, 16 bytes]: two weights a byte, the first of them in its lower half. */
function addQ4(constants: Constants, name: string, { inputs, outputs, values }: Matrix): string {
  const blocks = inputs / Q4_BLOCK
  const scales = new Float32Array(outputs * blocks)
  const packed = new Uint8Array((outputs * inputs) / 2)
  for (let block = 0; block < outputs * blocks; block++) {
    const row = values.subarray(block * Q4_BLOCK, (block + 1) * Q4_BLOCK)
    const scale = maximum(row) / (Q4_ZERO - 1)
    scales[block] = scale
    const level = (index: number): number => Math.round((row[index] ?? 0) / scale) + Q4_ZERO
    for (let pair = 0; pair < Q4_BLOCK / 2; pair++) {
      packed[(block * Q4_BLOCK) / 2 + pair] = level(2 * pair) | (level(2 * pair + 1) << 4)
    }
  }
  constants.add(`${name}_scale`, 'F32', [outputs * blocks], scales)
  return constants.add(name, 'U8', [outputs, blocks, Q4_BLOCK / 2], packed)
}

function once(constants: Constants, name: string, add: (name: string) => string): string {
  return constants.tensors.has(name) ? name : add(name)
}

function maximum(values: Float32Array): number {
  return values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1e-9)
}

function transpose({ inputs, outputs, values }: Matrix): Float32Array {
  const transposed = new Float32Array(values.length)
  for (let output = 0; output < outputs; output++) {
    for (let input = 0; input < inputs; input++) {
      transposed[input * outputs + output] = values[output * inputs + input] ?? 0
    }
  }
  return transposed
}
