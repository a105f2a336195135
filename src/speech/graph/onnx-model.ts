import { Message } from './protobuf.ts'

/** Of onnx.proto's TensorProto.DataType those that are in use. */
export const DATA_TYPES = { F32: 1, U8: 2, I8: 3, I32: 6, I64: 7, BOOL: 9, F16: 10, BF16: 16 } as const
export type DataType = keyof typeof DATA_TYPES

const ATTRIBUTE_TYPES = { float: 1, integer: 2, text: 3, graph: 5, integers: 7 } as const
const EXTERNAL = 1

export interface OnnxModel {
  readonly producer: string
  readonly graph: OnnxGraph
}

export interface OnnxGraph {
  readonly name: string
  readonly nodes: readonly OnnxNode[]
  readonly constants: readonly OnnxConstant[]
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
}

export interface OnnxNode {
  readonly operator: string
  /** Whose operator it is: ONNX' own by default. */
  readonly domain?: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: Readonly<Record<string, OnnxAttribute>>
}

/** A whole number is an int; a branch of an If is a graph. */
export type OnnxAttribute =
  | number
  | string
  | readonly number[]
  | { readonly float: number }
  | { readonly graph: OnnxGraph }

export interface OnnxConstant {
  readonly name: string
  readonly type: DataType
  readonly shape: readonly number[]
  /** Little-endian numbers, or where they lie in a file beside the model's. */
  readonly data: Uint8Array | { readonly file: string; readonly offset: number; readonly length: number }
}

/** What goes into a graph or comes out of it; sizes that only a run knows are named. */
export interface OnnxValue {
  readonly name: string
  readonly type: DataType
  readonly shape: readonly (number | string)[]
}

/** Opset of 2021, the oldest with LayerNormalization; IR version to go with it. */
const OPSET = 17
const IR_VERSION = 8

/** Operators of ONNX Runtime's own. */
export const CONTRIB = 'com.microsoft'

/** Serialises a ModelProto; the numbers of the fields are those of onnx.proto. */
export function encodeModel({ producer, graph }: OnnxModel): Uint8Array {
  return new Message()
    .integer(1, IR_VERSION)
    .text(2, producer)
    .message(7, graphProto(graph))
    .message(8, operatorSet('', OPSET))
    .message(8, operatorSet(CONTRIB, 1))
    .finish()
}

function operatorSet(domain: string, version: number): Message {
  return new Message().text(1, domain).integer(2, version)
}

function graphProto({ name, nodes, constants, inputs, outputs }: OnnxGraph): Message {
  return new Message()
    .messages(1, nodes.map(nodeProto))
    .text(2, name)
    .messages(5, constants.map(tensorProto))
    .messages(11, inputs.map(valueInfoProto))
    .messages(12, outputs.map(valueInfoProto))
}

function nodeProto({ operator, domain, inputs, outputs, attributes }: OnnxNode): Message {
  const attribute = Object.entries(attributes).map(([name, value]) => attributeProto(name, value))
  return new Message().texts(1, inputs).texts(2, outputs).text(4, operator).messages(5, attribute).text(7, domain)
}

function attributeProto(name: string, value: OnnxAttribute): Message {
  const attribute = new Message().text(1, name)
  if (typeof value === 'string') return attribute.text(4, value).integer(20, ATTRIBUTE_TYPES.text)
  if (typeof value === 'number') return attribute.integer(3, value).integer(20, ATTRIBUTE_TYPES.integer)
  if ('float' in value) return attribute.float(2, value.float).integer(20, ATTRIBUTE_TYPES.float)
  if ('graph' in value) return attribute.message(6, graphProto(value.graph)).integer(20, ATTRIBUTE_TYPES.graph)
  return attribute.integers(8, value).integer(20, ATTRIBUTE_TYPES.integers)
}

function tensorProto({ name, type, shape, data }: OnnxConstant): Message {
  const tensor = new Message().integers(1, shape).integer(2, DATA_TYPES[type]).text(8, name)
  if (data instanceof Uint8Array) return tensor.bytes(9, data)
  const entries = Object.entries({ location: data.file, offset: data.offset, length: data.length })
  const externalData = entries.map(([key, value]) => new Message().text(1, key).text(2, String(value)))
  return tensor.messages(13, externalData).integer(14, EXTERNAL)
}

function valueInfoProto({ name, type, shape }: OnnxValue): Message {
  const sizes = shape.map((size) =>
    typeof size === 'number' ? new Message().integer(1, size) : new Message().text(2, size),
  )
  const tensorType = new Message().integer(1, DATA_TYPES[type]).message(2, new Message().messages(1, sizes))
  return new Message().text(1, name).message(2, new Message().message(1, tensorType))
}
