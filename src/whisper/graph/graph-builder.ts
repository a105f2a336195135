import { basename, dirname } from 'node:path'
import proto from 'onnx-proto'
import type { onnx } from 'onnx-proto'
import { locate } from '../checkpoint/safetensors.ts'
import type { Tensors, TensorType } from '../checkpoint/safetensors.ts'
import { EngineError } from '../errors.ts'

/** A value of the graph: a node's output, an input or a constant. */
export type Value = string & { readonly __brand: 'Value' }

const { DataType } = proto.onnx.TensorProto
const TYPES: Readonly<Record<TensorType | 'I32' | 'I64', number>> = {
  F32: DataType.FLOAT,
  F16: DataType.FLOAT16,
  BF16: DataType.BFLOAT16,
  I8: DataType.INT8,
  U8: DataType.UINT8,
  I32: DataType.INT32,
  I64: DataType.INT64,
}

/** Types of the values that go into a graph and come out of it. */
export type ValueType = 'F32' | 'F16' | 'I8' | 'I32' | 'I64'

/** What a graph calculates in. */
export type FloatType = 'F32' | 'F16'

export type Attribute = number | string | readonly number[] | { readonly float: number }
type Attributes = Readonly<Record<string, Attribute>>

/** Opset of 2021, the oldest with LayerNormalization; IR version to go with it. */
const OPSET = 17
const IR_VERSION = 8

/** Operators of ONNX Runtime's own. */
const CONTRIB = 'com.microsoft'

/** Stands for an optional input that is left out. */
export const NO_VALUE = '' as Value

/** A model and the folder that its weights' files lie in. */
export interface BuiltGraph {
  /** Serialised ModelProto; a few kilobytes, since the weights stay in the checkpoint's files. */
  readonly model: Uint8Array
  readonly weightsFolder: string
}

/** Puts an ONNX graph together whose weights are byte ranges of the checkpoint's own files. */
export class GraphBuilder {
  readonly #tensors: Tensors
  readonly #nodes: onnx.INodeProto[] = []
  readonly #initializers: onnx.ITensorProto[] = []
  readonly #inputs: onnx.IValueInfoProto[] = []
  readonly #outputs: onnx.IValueInfoProto[] = []
  /** Tensors of the checkpoint that are in use: as they are stored, and in the graph's floats. */
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
    this.#inputs.push(valueInfo(name, TYPES[type], shape))
    return name as Value
  }

  /** @param value of a node, which is renamed: a copy of all logits takes a twentieth of a step */
  output(name: string, value: Value, shape: readonly (number | string)[], type: ValueType = 'F32'): void {
    this.#outputNames.set(value, name)
    this.#outputs.push(valueInfo(name, TYPES[type], shape))
  }

  /** The type of a tensor of the checkpoint; undefined when it is not there. */
  typeOf(name: string): TensorType | undefined {
    return this.#tensors.get(name)?.type
  }

  /**
   * A tensor of the checkpoint in the graph's floats; others are converted when the session is made.
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

  /** Rows of a matrix of the checkpoint, in the graph's floats; no more than these rows are converted. */
  rows(name: string, shape: readonly number[], indices: Value): Value {
    const rows = this.node('Gather', [this.stored(name, shape), indices])
    return this.typeOf(name) === this.floats ? rows : this.cast(rows, this.floats)
  }

  /**
   * A tensor of the checkpoint in the type that it is stored in.
   * @throws EngineError `checkpoint.invalid` when it is not there or has another shape
   */
  stored(name: string, shape: readonly number[]): Value {
    if (this.#stored.has(name)) return name as Value
    const location = locate(this.#tensors, name, shape)
    this.#initializers.push({
      name,
      dims: [...location.shape],
      dataType: TYPES[location.type],
      dataLocation: proto.onnx.TensorProto.DataLocation.EXTERNAL,
      externalData: [
        { key: 'location', value: basename(location.file) },
        { key: 'offset', value: String(location.offset) },
        { key: 'length', value: String(location.length) },
      ],
    })
    this.#stored.add(name)
    return name as Value
  }

  integers(values: readonly number[]): Value {
    const name = this.#name('integers')
    const rawData = new Uint8Array(BigInt64Array.from(values, BigInt).buffer)
    this.#initializers.push({ name, dims: [values.length], dataType: TYPES.I64, rawData })
    return name
  }

  bytes(values: Int8Array, shape: readonly number[]): Value {
    const name = this.#name('bytes')
    const rawData = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    this.#initializers.push({ name, dims: [...shape], dataType: TYPES.I8, rawData })
    return name
  }

  scalar(value: number): Value {
    const name = this.#name('scalar')
    const isHalf = this.floats === 'F16'
    const rawData = new Uint8Array(isHalf ? 2 : 4)
    if (isHalf) new DataView(rawData.buffer).setFloat16(0, value, true)
    else new DataView(rawData.buffer).setFloat32(0, value, true)
    this.#initializers.push({ name, dims: [], dataType: TYPES[this.floats], rawData })
    return name
  }

  node(opType: string, inputs: readonly Value[], attributes: Attributes = {}): Value {
    return this.#add('', opType, inputs, attributes, [this.#name(opType)])[0]
  }

  cast(value: Value, type: ValueType): Value {
    return this.node('Cast', [value], { to: TYPES[type] })
  }

  /** A node with two outputs. */
  pair(opType: string, inputs: readonly Value[], attributes: Attributes = {}): readonly [Value, Value] {
    return this.#add('', opType, inputs, attributes, [this.#name(opType), this.#name(opType)])
  }

  contrib(opType: string, inputs: readonly Value[], attributes: Attributes = {}): Value {
    return this.#add(CONTRIB, opType, inputs, attributes, [this.#name(opType)])[0]
  }

  /** Of a graph whose weights lie in the checkpoint's files. */
  build(): BuiltGraph {
    const folders = new Set([...this.#tensors.values()].map(({ file }) => dirname(file)))
    const [weightsFolder = '', ...others] = folders
    if (others.length > 0) {
      throw new EngineError('checkpoint.unsupported', 'The checkpoint’s weights lie in several folders.')
    }
    return { model: this.serialise(), weightsFolder }
  }

  /** The ModelProto. */
  serialise(): Uint8Array {
    return proto.onnx.ModelProto.encode({
      irVersion: IR_VERSION,
      opsetImport: [
        { domain: '', version: OPSET },
        { domain: CONTRIB, version: 1 },
      ],
      producerName: 'sotto',
      graph: {
        name: 'whisper',
        node: this.#nodes.map((node) => ({
          ...node,
          input: this.#renamed(node.input),
          output: this.#renamed(node.output),
        })),
        initializer: this.#initializers,
        input: this.#inputs,
        output: this.#outputs,
      },
    }).finish()
  }

  #renamed(values: readonly string[] | null | undefined): string[] {
    return (values ?? []).map((value) => this.#outputNames.get(value) ?? value)
  }

  #add<const Outputs extends readonly Value[]>(
    domain: string,
    opType: string,
    inputs: readonly Value[],
    attributes: Attributes,
    outputs: Outputs,
  ): Outputs {
    const attribute = Object.entries(attributes).map(([name, value]) => attributeProto(name, value))
    this.#nodes.push({ domain, opType, input: [...inputs], output: [...outputs], attribute })
    return outputs
  }

  #name(prefix: string): Value {
    this.#count += 1
    return `${prefix}_${this.#count}` as Value
  }
}

function valueInfo(name: string, elemType: number, shape: readonly (number | string)[]): onnx.IValueInfoProto {
  const dim = shape.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }))
  return { name, type: { tensorType: { elemType, shape: { dim } } } }
}

function attributeProto(name: string, value: Attribute): onnx.IAttributeProto {
  const { AttributeType } = proto.onnx.AttributeProto
  if (typeof value === 'string') return { name, type: AttributeType.STRING, s: Buffer.from(value) }
  if (typeof value === 'number') return { name, type: AttributeType.INT, i: value }
  if ('float' in value) return { name, type: AttributeType.FLOAT, f: value.float }
  return { name, type: AttributeType.INTS, ints: [...value] }
}
