import { writeFile } from 'node:fs/promises'
import proto from 'onnx-proto'
import type { onnx } from 'onnx-proto'

const { DataType } = proto.onnx.TensorProto
export const TYPES = {
  float32: DataType.FLOAT,
  int64: DataType.INT64,
  int8: DataType.INT8,
  uint8: DataType.UINT8,
  bool: DataType.BOOL,
} as const
export type Type = keyof typeof TYPES

export type Attribute = number | string | readonly number[] | { readonly float: number } | { readonly graph: Scope }
type Shape = readonly (number | string)[]
export type Outputs = readonly (readonly [name: string, shape: Shape])[]

/** As the exports are; the first opset with LayerNormalization. */
const OPSET = 17
const IR_VERSION = 8
const CONTRIB = 'com.microsoft'

/** The constants of a model: those of its outermost graph, which the branches within see as well. */
export class Constants {
  readonly tensors = new Map<string, onnx.ITensorProto>()

  add(name: string, type: Type, dims: readonly number[], data: ArrayBufferView): string {
    const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    this.tensors.set(name, { name, dims: [...dims], dataType: TYPES[type], rawData })
    return name
  }

  /** One-dimensional. */
  integers(...values: readonly number[]): string {
    return this.add(`integers_${values.join('_')}`, 'int64', [values.length], BigInt64Array.from(values, BigInt))
  }

  scalar(value: number): string {
    return this.add(`scalar_${value}`, 'float32', [], Float32Array.of(value))
  }
}

/** A graph, or a branch of an If; values are named by strings. */
export class Scope {
  readonly constants: Constants
  readonly #prefix: string
  readonly #nodes: onnx.INodeProto[] = []
  readonly #inputs: onnx.IValueInfoProto[] = []
  readonly #outputs: onnx.IValueInfoProto[] = []
  #count = 0

  constructor(constants: Constants, prefix = '') {
    this.constants = constants
    this.#prefix = prefix
  }

  input(name: string, type: Type, shape: Shape): string {
    this.#inputs.push(valueInfo(name, type, shape))
    return name
  }

  output(name: string, value: string, shape: Shape): void {
    this.#nodes.push({ opType: 'Identity', input: [value], output: [this.#prefix + name] })
    this.#outputs.push(valueInfo(this.#prefix + name, 'float32', shape))
  }

  /** Gives out what one of two branches does: their outputs, by position. */
  choose(condition: string, ifTrue: Scope, ifFalse: Scope, outputs: Outputs): void {
    const attributes = { then_branch: { graph: ifTrue }, else_branch: { graph: ifFalse } }
    const names = outputs.map(([name]) => name)
    this.#nodes.push(nodeProto('If', [condition], names, attributes))
    this.#outputs.push(...outputs.map(([name, shape]) => valueInfo(name, 'float32', shape)))
  }

  node(opType: string, inputs: readonly string[], attributes: Attributes = {}): string {
    const [output = ''] = this.nodes(opType, inputs, 1, attributes)
    return output
  }

  /** A node with several outputs. */
  nodes(opType: string, inputs: readonly string[], count: number, attributes: Attributes = {}): readonly string[] {
    this.#count += 1
    const outputs = Array.from({ length: count }, (_, index) => `${this.#prefix}${opType}_${this.#count}_${index}`)
    this.#nodes.push(nodeProto(opType, inputs, outputs, attributes))
    return outputs
  }

  /** An operator of ONNX Runtime's own. */
  contrib(opType: string, inputs: readonly string[], attributes: Attributes = {}): string {
    const output = this.node(opType, inputs, attributes)
    const last = this.#nodes.at(-1)
    if (last !== undefined) last.domain = CONTRIB
    return output
  }

  toProto(isOutermost: boolean): onnx.IGraphProto {
    return {
      name: `${this.#prefix}graph`,
      node: this.#nodes,
      input: this.#inputs,
      output: this.#outputs,
      ...(isOutermost ? { initializer: [...this.constants.tensors.values()] } : {}),
    }
  }
}

type Attributes = Readonly<Record<string, Attribute>>

export async function writeModel(path: string, graph: Scope): Promise<void> {
  const opsetImport = [
    { domain: '', version: OPSET },
    { domain: CONTRIB, version: 1 },
  ]
  const model = { irVersion: IR_VERSION, opsetImport, producerName: 'sotto-bench', graph: graph.toProto(true) }
  await writeFile(path, proto.onnx.ModelProto.encode(model).finish())
}

function nodeProto(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Attributes,
): onnx.INodeProto {
  const attribute = Object.entries(attributes).map(([name, value]) => attributeProto(name, value))
  return { opType, input: [...input], output: [...output], attribute }
}

function valueInfo(name: string, type: Type, shape: Shape): onnx.IValueInfoProto {
  const dim = shape.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }))
  return { name, type: { tensorType: { elemType: TYPES[type], shape: { dim } } } }
}

function attributeProto(name: string, value: Attribute): onnx.IAttributeProto {
  const { AttributeType } = proto.onnx.AttributeProto
  if (typeof value === 'string') return { name, type: AttributeType.STRING, s: Buffer.from(value) }
  if (typeof value === 'number') return { name, type: AttributeType.INT, i: value }
  if ('float' in value) return { name, type: AttributeType.FLOAT, f: value.float }
  if ('graph' in value) return { name, type: AttributeType.GRAPH, g: value.graph.toProto(false) }
  return { name, type: AttributeType.INTS, ints: [...value] }
}
