import { basename, dirname } from 'node:path'
import type { FloatType } from '../../contract/device.ts'
import { locate } from '../weights/safetensors.ts'
import type { Tensors, TensorType } from '../weights/safetensors.ts'
import { EngineError } from '../errors.ts'
import { CONTRIB, DATA_TYPES, encodeModel } from './onnx-model.ts'
import type { OnnxAttribute, OnnxConstant, OnnxNode, OnnxValue } from './onnx-model.ts'

/** A value of the graph: a node's output, an input or a constant. */
export type Value = string & { readonly __brand: 'Value' }

/** Types of the values that go into a graph and come out of it. */
export type ValueType = 'F32' | 'F16' | 'I8' | 'I32' | 'I64'

type Attributes = Readonly<Record<string, OnnxAttribute>>

/** Stands for an optional input that is left out. */
export const NO_VALUE = '' as Value

/** A model and the folder that its weights' files lie in. */
export interface BuiltGraph {
  /** Serialised ModelProto; a few kilobytes, since the weights stay in the model's files. */
  readonly model: Uint8Array
  readonly weightsFolder: string
}

/** Puts an ONNX graph together whose weights are byte ranges of the model's own files. */
export class GraphBuilder {
  readonly #tensors: Tensors
  readonly #nodes: OnnxNode[] = []
  readonly #constants: OnnxConstant[] = []
  readonly #inputs: OnnxValue[] = []
  readonly #outputs: OnnxValue[] = []
  /** Tensors of the model that are in use: as they are stored, and in the graph's floats. */
  readonly #stored = new Set<string>()
  readonly #weights = new Map<string, Value>()
  readonly floats: FloatType
  readonly #outputNames = new Map<string, string>()
  #count = 0

  constructor(tensors: Tensors, floats: FloatType = 'F32') {
    this.#tensors = tensors
    this.floats = floats
  }

  input(name: string, type: ValueType, shape: readonly (number | string)[]): Value {
    this.#inputs.push({ name, type, shape })
    return name as Value
  }

  /** @param value of a node, which is renamed: a copy of all logits takes a twentieth of a step */
  output(name: string, value: Value, shape: readonly (number | string)[], type: ValueType = 'F32'): void {
    this.#outputNames.set(value, name)
    this.#outputs.push({ name, type, shape })
  }

  /** The type of a tensor of the model; undefined when it is not there. */
  typeOf(name: string): TensorType | undefined {
    return this.#tensors.get(name)?.type
  }

  /**
   * A tensor of the model in the graph's floats; others are converted when the session is made.
   * @throws EngineError `checkpoint.invalid` when it is not there or has another shape
   */
  weight(name: string, shape: readonly number[]): Value {
    const known = this.#weights.get(name)
    if (known !== undefined) return known
    const stored = this.stored(name, shape)
    const value = this.typeOf(name) === this.floats ? stored : this.cast(stored, this.floats)
    this.#weights.set(name, value)
    return value
  }

  /** Rows of a matrix of the model, in the graph's floats; no more than these rows are converted. */
  rows(name: string, shape: readonly number[], indices: Value): Value {
    const rows = this.node('Gather', [this.stored(name, shape), indices])
    return this.typeOf(name) === this.floats ? rows : this.cast(rows, this.floats)
  }

  /**
   * A tensor of the model in the type that it is stored in.
   * @throws EngineError `checkpoint.invalid` when it is not there or has another shape
   */
  stored(name: string, shape: readonly number[]): Value {
    if (this.#stored.has(name)) return name as Value
    const { file, offset, length, type, shape: found } = locate(this.#tensors, name, shape)
    this.#constants.push({ name, type, shape: found, data: { file: basename(file), offset, length } })
    this.#stored.add(name)
    return name as Value
  }

  integers(values: readonly number[]): Value {
    const name = this.#name('integers')
    const data = new Uint8Array(BigInt64Array.from(values, BigInt).buffer)
    this.#constants.push({ name, type: 'I64', shape: [values.length], data })
    return name
  }

  bytes(values: Int8Array, shape: readonly number[]): Value {
    const name = this.#name('bytes')
    const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    this.#constants.push({ name, type: 'I8', shape, data })
    return name
  }

  scalar(value: number): Value {
    const name = this.#name('scalar')
    const isHalf = this.floats === 'F16'
    const data = new Uint8Array(isHalf ? 2 : 4)
    if (isHalf) new DataView(data.buffer).setFloat16(0, value, true)
    else new DataView(data.buffer).setFloat32(0, value, true)
    this.#constants.push({ name, type: this.floats, shape: [], data })
    return name
  }

  node(operator: string, inputs: readonly Value[], attributes: Attributes = {}): Value {
    return this.#add('', operator, inputs, attributes, [this.#name(operator)])[0]
  }

  cast(value: Value, type: ValueType): Value {
    return this.node('Cast', [value], { to: DATA_TYPES[type] })
  }

  /** A node with two outputs. */
  pair(operator: string, inputs: readonly Value[], attributes: Attributes = {}): readonly [Value, Value] {
    return this.#add('', operator, inputs, attributes, [this.#name(operator), this.#name(operator)])
  }

  contrib(operator: string, inputs: readonly Value[], attributes: Attributes = {}): Value {
    return this.#add(CONTRIB, operator, inputs, attributes, [this.#name(operator)])[0]
  }

  /** Of a graph whose weights lie in the model's files. */
  build(): BuiltGraph {
    const folders = new Set([...this.#tensors.values()].map(({ file }) => dirname(file)))
    const [weightsFolder = '', ...others] = folders
    if (others.length > 0) {
      throw new EngineError('checkpoint.unsupported', 'The model’s weights lie in several folders.')
    }
    return { model: this.serialise(), weightsFolder }
  }

  /** The ModelProto. */
  serialise(): Uint8Array {
    return encodeModel({
      producer: 'sotto',
      graph: {
        name: 'speech',
        nodes: this.#nodes.map((node) => ({
          ...node,
          inputs: this.#renamed(node.inputs),
          outputs: this.#renamed(node.outputs),
        })),
        constants: this.#constants,
        inputs: this.#inputs,
        outputs: this.#outputs,
      },
    })
  }

  #renamed(values: readonly string[]): string[] {
    return values.map((value) => this.#outputNames.get(value) ?? value)
  }

  #add<const Outputs extends readonly Value[]>(
    domain: string,
    operator: string,
    inputs: readonly Value[],
    attributes: Attributes,
    outputs: Outputs,
  ): Outputs {
    this.#nodes.push({ domain, operator, inputs, outputs, attributes })
    return outputs
  }

  #name(prefix: string): Value {
    this.#count += 1
    return `${prefix}_${this.#count}` as Value
  }
}
