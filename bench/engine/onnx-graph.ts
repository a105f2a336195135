import { writeFile } from 'node:fs/promises'
import { CONTRIB, encodeModel } from '../../src/speech/graph/onnx-model.ts'
import type {
  DataType,
  OnnxAttribute,
  OnnxConstant,
  OnnxGraph,
  OnnxNode,
  OnnxValue,
} from '../../src/speech/graph/onnx-model.ts'

type Shape = readonly (number | string)[]
export type Outputs = readonly (readonly [name: string, shape: Shape])[]

/** The constants of a model: those of its outermost graph, which the branches within see as well. */
export class Constants {
  readonly tensors = new Map<string, OnnxConstant>()

  add(name: string, type: DataType, shape: readonly number[], values: ArrayBufferView): string {
    const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    this.tensors.set(name, { name, type, shape, data })
    return name
  }

  /** One-dimensional. */
  integers(...values: readonly number[]): string {
    return this.add(`integers_${values.join('_')}`, 'I64', [values.length], BigInt64Array.from(values, BigInt))
  }

  scalar(value: number): string {
    return this.add(`scalar_${value}`, 'F32', [], Float32Array.of(value))
  }
}

/** A graph, or a branch of an If; values are named by strings. */
export class Scope {
  readonly constants: Constants
  readonly #prefix: string
  readonly #nodes: OnnxNode[] = []
  readonly #inputs: OnnxValue[] = []
  readonly #outputs: OnnxValue[] = []
  #count = 0

  constructor(constants: Constants, prefix = '') {
    this.constants = constants
    this.#prefix = prefix
  }

  input(name: string, type: DataType, shape: Shape): string {
    this.#inputs.push({ name, type, shape })
    return name
  }

  output(name: string, value: string, shape: Shape): void {
    this.#nodes.push({ operator: 'Identity', inputs: [value], outputs: [this.#prefix + name], attributes: {} })
    this.#outputs.push({ name: this.#prefix + name, type: 'F32', shape })
  }

  /** Gives out what one of two branches does: their outputs, by position. */
  choose(condition: string, ifTrue: Scope, ifFalse: Scope, outputs: Outputs): void {
    this.#nodes.push({
      operator: 'If',
      inputs: [condition],
      outputs: outputs.map(([name]) => name),
      attributes: { then_branch: { graph: ifTrue.branch() }, else_branch: { graph: ifFalse.branch() } },
    })
    this.#outputs.push(...outputs.map(([name, shape]) => ({ name, type: 'F32', shape }) as const))
  }

  node(operator: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.#add({ operator, inputs, attributes }, 1)[0] ?? ''
  }

  /** A node with several outputs. */
  nodes(operator: string, inputs: readonly string[], count: number, attributes: Attributes = {}): readonly string[] {
    return this.#add({ operator, inputs, attributes }, count)
  }

  /** An operator of ONNX Runtime's own. */
  contrib(operator: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.#add({ operator, domain: CONTRIB, inputs, attributes }, 1)[0] ?? ''
  }

  /** The graph as a branch, which sees the constants of the outermost one. */
  branch(): OnnxGraph {
    return {
      name: `${this.#prefix}graph`,
      nodes: this.#nodes,
      constants: [],
      inputs: this.#inputs,
      outputs: this.#outputs,
    }
  }

  #add(node: Omit<OnnxNode, 'outputs'>, count: number): readonly string[] {
    this.#count += 1
    const name = `${this.#prefix}${node.operator}_${this.#count}`
    const outputs = Array.from({ length: count }, (_, index) => `${name}_${index}`)
    this.#nodes.push({ ...node, outputs })
    return outputs
  }
}

type Attributes = Readonly<Record<string, OnnxAttribute>>

export async function writeModel(path: string, graph: Scope): Promise<void> {
  const constants = [...graph.constants.tensors.values()]
  await writeFile(path, encodeModel({ producer: 'sotto-bench', graph: { ...graph.branch(), constants } }))
}
