import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../../../test/support/server.ts'
import { encodeModel } from './onnx-model.ts'
import type { DataType, OnnxAttribute, OnnxConstant, OnnxGraph, OnnxNode } from './onnx-model.ts'

const LARGE = Number.MAX_SAFE_INTEGER
const constant = (output: string, attributes: Readonly<Record<string, OnnxAttribute>>): OnnxNode => ({
  ...{ operator: 'Constant', inputs: [], outputs: [output], attributes },
})

/** @returns what ONNX Runtime gives for the graph's outputs */
async function run(graph: Partial<OnnxGraph>, inputs: Readonly<Record<string, Tensor>> = {}, folder = '') {
  const model = { name: 'graph', nodes: [], constants: [], inputs: [], outputs: [], ...graph }
  const session = await InferenceSession.create(encodeModel({ producer: 'test', graph: model }), {
    extra: { session: { model_external_initializers_file_folder_path: folder } },
  })
  const outputs = await session.run(inputs)
  await session.release()
  const values = Object.entries(outputs).map(([name, { data, dims }]) => [name, { data: [...data], dims }])
  return Object.fromEntries(values) as Readonly<Record<string, { data: unknown[]; dims: readonly number[] }>>
}

test('ONNX Runtime reads each kind of attribute', async () => {
  const nodes = [
    constant('integer', { value_int: LARGE }),
    constant('integers', { value_ints: [-1, 0, 2 ** 40, -LARGE] }),
    constant('float', { value_float: { float: -0.1 } }),
    constant('pads', { value_ints: [1, 0] }),
    { operator: 'Pad', inputs: ['integers', 'pads'], outputs: ['padded'], attributes: { mode: 'edge' } },
  ]
  const outputs = [
    { name: 'integer', type: 'I64', shape: [] },
    { name: 'integers', type: 'I64', shape: [4] },
    { name: 'float', type: 'F32', shape: [] },
    { name: 'padded', type: 'I64', shape: [5] },
  ] as const
  expect(await run({ nodes, outputs })).toEqual({
    integer: { data: [BigInt(LARGE)], dims: [] },
    integers: { data: [-1n, 0n, 2n ** 40n, -BigInt(LARGE)], dims: [4] },
    float: { data: [Math.fround(-0.1)], dims: [] },
    padded: { data: [-1n, -1n, 0n, 2n ** 40n, -BigInt(LARGE)], dims: [5] },
  })
})

test('it reads branches, operators of its own and inputs with named sizes', async () => {
  const branch = (name: string, operator: string, domain?: string): OnnxGraph => ({
    ...{ name, constants: [], inputs: [], outputs: [{ name: `${name}_y`, type: 'F32', shape: ['rows', 2] }] },
    nodes: [{ operator, ...(domain && { domain }), inputs: ['x'], outputs: [`${name}_y`], attributes: {} }],
  })
  const attributes = {
    then_branch: { graph: branch('then', 'Neg') },
    else_branch: { graph: branch('else', 'Gelu', 'com.microsoft') },
  }
  const graph: Partial<OnnxGraph> = {
    nodes: [{ operator: 'If', inputs: ['condition'], outputs: ['y'], attributes }],
    inputs: [
      { name: 'condition', type: 'BOOL', shape: [1] },
      { name: 'x', type: 'F32', shape: ['rows', 2] },
    ],
    outputs: [{ name: 'y', type: 'F32', shape: ['rows', 2] }],
  }
  const x = new Tensor('float32', [1, -2, 3, 0], [2, 2])
  const [negative, gelu] = await Promise.all(
    [1, 0].map((condition) => run(graph, { x, condition: new Tensor('bool', [condition === 1], [1]) })),
  )
  expect(negative?.['y']).toEqual({ data: [-1, 2, -3, -0], dims: [2, 2] })
  expect(gelu?.['y']?.data[0]).toBeCloseTo(0.8413)
})

test('it reads constants of each type, with their numbers in the model', async () => {
  const types: readonly [DataType, ArrayBufferView, readonly unknown[]][] = [
    ['F32', Float32Array.of(1.5, -2), [1.5, -2]],
    ['I64', BigInt64Array.of(-(2n ** 63n), 2n ** 62n), [-(2n ** 63n), 2n ** 62n]],
    ['I32', Int32Array.of(-1, 2), [-1, 2]],
    ['I8', Int8Array.of(-128, 127), [-128, 127]],
    ['U8', Uint8Array.of(0, 255), [0, 255]],
    ['BOOL', Uint8Array.of(0, 1), [0, 1]],
  ]
  const constants = types.map(([type, view]): OnnxConstant => {
    const data = new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
    return { name: `in_${type}`, type, shape: [1, 2], data }
  })
  const nodes = types.map(([type]): OnnxNode => {
    return { operator: 'Transpose', inputs: [`in_${type}`], outputs: [type], attributes: { perm: [1, 0] } }
  })
  const outputs = types.map(([type]) => ({ name: type, type, shape: [2, 1] }))
  const expected = types.map(([type, , data]) => [type, { data, dims: [2, 1] }])
  expect(await run({ constants, nodes, outputs })).toEqual(Object.fromEntries(expected))
})

test('it reads constants whose numbers lie in a file, from their places there', async () => {
  await using folder = await temporaryFolder()
  await writeFile(
    join(folder.path, 'weights'),
    new Float32Array(2_000).map((_, index) => index),
  )
  const weights = [300, 1_000].map((offset): OnnxConstant => ({
    ...{ name: `from_${offset}`, type: 'F32', shape: [2, 50] },
    data: { file: 'weights', offset: 4 * offset, length: 400 },
  }))
  const { sum } = await run(
    {
      constants: weights,
      nodes: [{ operator: 'Add', inputs: ['from_300', 'from_1000'], outputs: ['sum'], attributes: {} }],
      outputs: [{ name: 'sum', type: 'F32', shape: [2, 50] }],
    },
    {},
    folder.path,
  )
  expect(sum).toEqual({ data: Array.from({ length: 100 }, (_, index) => 1_300 + 2 * index), dims: [2, 50] })
})
