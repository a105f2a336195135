import { join } from 'node:path'
import { Tensor } from 'onnxruntime-node'
import type { InferenceSession } from 'onnxruntime-node'
import { beforeAll, describe, expect, test } from 'vitest'
import { goldenJson, goldenTensor, maxError } from '../../../../test/support/golden.ts'
import { PROJECT } from '../../../../test/support/server.ts'
import { readWhisperWeights } from '../weights/whisper-weights.ts'
import type { WhisperWeights } from '../weights/whisper-weights.ts'
import { createSession } from '../../../speech/inference/session.ts'
import { buildDeviceDecoder } from './device-decoder-graph.ts'
import { buildDeviceEncoder } from './device-encoder-graph.ts'
import { buildEncoderProducts } from './encoder-products.ts'
import type { FloatType } from '../../../contract/device.ts'

const DEMO = join(PROJECT, 'models/whisper-demo')
const SLOTS = 2
const CELLS = 64
const SPECIAL = { eot: 789, timestampBegin: 896 }
const { tokens } = goldenJson<{ tokens: number[] }>('tensors.json')

/** Graphs for devices run on the CPU too, slowly: so float16 is tested, which software renderers do not have. */
describe.each([
  ['float32, attention in parts', 'F32', false, 1e-4, 1e-3],
  ['float32, fused attention', 'F32', true, 1e-4, 1e-3],
  ['float16, attention in parts', 'F16', false, 0.05, 0.1],
  ['float16, fused attention', 'F16', true, 0.05, 0.1],
] as const)(
  'the graphs for a device give the numbers of the reference: %s',
  (_, floats, isFused, ofEncoder, ofLogits) => {
    let weights: WhisperWeights
    let encoded: InferenceSession.ReturnType
    beforeAll(async () => {
      weights = await readWhisperWeights(DEMO)
      const session = await createSession(buildDeviceEncoder(weights, floats, isFused), 2)
      const mel = new Tensor('float32', goldenTensor('en-short.mel.f32'), [1, 80, 3000])
      const slot = new Tensor('int64', BigInt64Array.of(1n), [1, 1])
      encoded = await session.run({ mel, slot, ...zeros(session, floats) })
    })

    test('the encoder', () => {
      expect(maxError(encoded['encoded']?.data as Float32Array, goldenTensor('en-short.encoder.f32'))).toBeLessThan(
        ofEncoder,
      )
    })

    test('the decoder, for a window in the second of two slots, with its most probable text tokens', async () => {
      const { ranking, ...graph } = buildDeviceDecoder(weights, SPECIAL, floats)
      const session = await createSession(graph, 2)
      const { nVocab } = weights.dimensions
      const n = tokens.length
      const rows = [...tokens.keys()]
      const mask = new Float32Array(nVocab).fill(-1e30, SPECIAL.timestampBegin)
      const cross = Object.entries(encoded).map(([name, { data, dims, type }]) => {
        const { buffer } = data as Float32Array
        const again = type === 'float16' ? halves(new Uint16Array(buffer), dims) : new Tensor(type, data, dims)
        return [name.replace('new_', ''), again] as const
      })
      const seen = rows.flatMap((row) => Array.from({ length: CELLS }, (__, cell) => (cell <= row ? 0 : -30_000)))
      const outputs = await session.run({
        ...zeros(session, floats),
        ...Object.fromEntries(cross.filter(([name]) => name.startsWith('cross_'))),
        tokens: int32(tokens),
        positions: int32(rows),
        place_rows: int32([...rows.map(() => 0), ...rows]),
        row_places: int32(rows.map((row) => n + row)),
        places: int64([SLOTS, n, 2, 64]),
        cells: new Tensor(
          'int64',
          BigInt64Array.from(
            rows.flatMap((row) => [1, 0, row, 1, 1, row]),
            BigInt,
          ),
          [n, 2, 3],
        ),
        mask_cells: new Tensor('float32', Float32Array.from([...seen.map(() => -30_000), ...seen]), [
          SLOTS,
          1,
          n,
          CELLS,
        ]),
        logits_at: int32(rows),
        mask_tokens: new Tensor('float32', mask, [1, nVocab]),
        mask_at: int32(rows.map(() => 0)),
        top: int64([3]),
        top_shape: int64([n, 3 * ranking.parts]),
        align_at: int32([1]),
      })
      const expected = goldenTensor('en-short.logits.f32')
      expect(maxError(outputs['logits']?.data as Float32Array, expected)).toBeLessThan(ofLogits)

      const lastLogits = outputs['last_logits']?.data as Float32Array
      const last = rows.flatMap((row) => [...expected.subarray(row * nVocab + SPECIAL.eot, (row + 1) * nVocab)])
      expect(maxError(lastLogits, Float32Array.from(last))).toBeLessThan(ofLogits)
      expect(ranking).toEqual({ width: 2048, parts: 1 })
      const found = outputs['part_tokens']?.data as Int32Array
      const logprobs = outputs['top_logprob']?.data as Float32Array
      for (const row of rows) {
        const text = [...expected.subarray(row * nVocab, row * nVocab + SPECIAL.timestampBegin)]
        const total = Math.log(text.reduce((sum, logit) => sum + Math.exp(logit), 0))
        const [best = -1] = found.subarray(3 * row)
        expect(text[best]).toBeGreaterThan(Math.max(...text) - ofLogits)
        const logprob = logprobs[row]
        expect(Math.abs((logprob ?? Number.NaN) - (text[best]! - total))).toBeLessThan(2 * ofLogits)
      }
    })
  },
)

test('what the encoder’s pace is measured with multiplies in float16 as in float32', async () => {
  const weights = await readWhisperWeights(DEMO)
  const { nState } = weights.dimensions
  const x = new Tensor('float32', goldenTensor('en-short.encoder.f32').subarray(0, 100 * nState), [100, nState])
  const rowIn = async (floats: FloatType): Promise<Float32Array> => {
    const session = await createSession(buildEncoderProducts(weights, 100, floats), 2)
    return (await session.run({ x }))['y']?.data as Float32Array
  }
  const row = await rowIn('F32')
  expect(row).toHaveLength(nState)
  expect(maxError(await rowIn('F16'), row)).toBeLessThan(0.05)
  expect(Math.max(...row.map(Math.abs))).toBeGreaterThan(0.5)
})

/** Empty caches for each input of a graph that is one. */
function zeros(session: InferenceSession, floats: FloatType): Record<string, Tensor> {
  const sizes: Readonly<Record<string, number>> = { slots: SLOTS, w: SLOTS, c: CELLS }
  return Object.fromEntries(
    session.inputMetadata.flatMap((input) => {
      if (!/^(past|cross)_/.test(input.name) || !input.isTensor) return []
      const shape = input.shape.map((size) => (typeof size === 'number' ? size : (sizes[size] ?? Number.NaN)))
      const length = shape.reduce((product, size) => product * size, 1)
      const tensor =
        floats === 'F32'
          ? new Tensor('float32', new Float32Array(length), shape)
          : halves(new Uint16Array(length), shape)
      return [[input.name, tensor] as const]
    }),
  )
}

/** Of the bits of float16 numbers: onnxruntime-node makes a Float16Array of them and then reads that as an empty one. */
function halves(bits: Uint16Array, shape: readonly number[]): Tensor {
  return Object.assign(new Tensor('float16', bits, shape), { cpuData: bits })
}

function int32(values: readonly number[]): Tensor {
  return new Tensor('int32', Int32Array.from(values), [values.length])
}

function int64(values: readonly number[]): Tensor {
  return new Tensor('int64', BigInt64Array.from(values, BigInt), [values.length])
}
