import { InferenceSession, Tensor } from 'onnxruntime-node'
import type { DeviceName } from '../../contract/device.ts'
import type { BuiltGraph } from '../graph/graph-builder.ts'
import { buildAttentions, buildProduct } from '../graph/probes.ts'
import type { FloatType } from '../../contract/device.ts'

/** A product of this many rows and columns takes a GPU less than a millisecond; what takes it longer than the limit is none. */
const SMALL = 256
const SMALL_LIMIT_MS = 20
const LARGE = 2048

/** Rows that do not fill the tiles of a fused attention, and its largest error that rounding explains: values are between −1 and 1. */
const ATTENTION = { rows: 100, width: 128, heads: 2, tolerance: 0.01 }

/** Fails when the device does not answer. */
export async function hasHalfPrecision(provider: DeviceName): Promise<boolean> {
  await product(provider, 'F32', 4)
  try {
    const row = await product(provider, 'F16', 4)
    return row.values.every(Number.isFinite)
  } catch {
    // Of WebGPU's devices some have no 16-bit numbers; the graph's first operator then fails.
    return false
  }
}

/** Whether the fused attention gives what its parts give. It is wrong on devices with unusual subgroups. */
export async function trustsFusedAttention(provider: DeviceName, floats: FloatType): Promise<boolean> {
  const { rows, width, heads, tolerance } = ATTENTION
  const session = await open(buildAttentions(floats, width, heads), provider)
  try {
    const { fused, parts } = await session.run({ x: new Tensor('float32', waves(rows * width), [rows, width]) })
    const [one, other] = [fused?.data, parts?.data]
    if (!(one instanceof Float32Array && other instanceof Float32Array)) return false
    return one.every((value, index) => Math.abs(value - other[index]!) < tolerance)
  } finally {
    await session.release()
  }
}

/** How many times as fast as the CPU it multiplies matrices; fails when the device does not answer. */
export async function timesFasterThanCpu(provider: DeviceName): Promise<number> {
  if ((await product(provider, 'F32', SMALL)).ms > SMALL_LIMIT_MS) return 0
  const [cpu, device] = [await product('cpu', 'F32', LARGE), await product(provider, 'F32', LARGE)]
  return cpu.ms / device.ms
}

/** The first row of a product, and the time of its second run: the first one compiles shaders. */
async function product(
  provider: DeviceName,
  floats: FloatType,
  n: number,
): Promise<{ readonly values: Float32Array; readonly ms: number }> {
  const session = await open(buildProduct(floats), provider)
  try {
    const feeds = { x: new Tensor('float32', waves(n * n), [n, n]) }
    await session.run(feeds)
    const startMs = performance.now()
    const { product: row } = await session.run(feeds)
    const ms = performance.now() - startMs
    if (!(row?.data instanceof Float32Array)) throw new TypeError('the session returned no float32 tensor')
    return { values: row.data, ms }
  } finally {
    await session.release()
  }
}

function waves(length: number): Float32Array {
  return Float32Array.from({ length }, (_, index) => Math.sin(index * index))
}

/** Without the CPU to fall back on. */
async function open({ model }: BuiltGraph, provider: DeviceName): Promise<InferenceSession> {
  return await InferenceSession.create(model, { executionProviders: [provider], logSeverityLevel: 4 })
}
