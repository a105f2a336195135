import { mkdtemp, readFile, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SMALL_LAYOUT, writeRandomModel } from '../../../test/support/random-model.ts'
import { isDiskFull } from '../errors.ts'
import { readWhisperWeights } from '../../models/whisper/weights/whisper-weights.ts'
import { EMBEDDING, OUTPUT_PROJECTION, openQuantisedCopy, SCALE_SUFFIX } from './quantised-copy.ts'
import type { QuantisationPlan } from './quantised-copy.ts'
import { Q4_BLOCK } from './quantiser.ts'
import { TensorReader } from './tensor-reader.ts'

const Q8: QuantisationPlan = { encoder: { type: 'q8', limit: 127 }, decoder: { type: 'q8', limit: 63 } }
const Q4: QuantisationPlan = { encoder: null, decoder: { type: 'q4' } }

let folder: string
const source = (): string => join(folder, 'model')
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sotto-quantised-'))
  await writeRandomModel(source(), SMALL_LAYOUT, { type: 'F16' })
})
afterAll(() => rm(folder, { recursive: true }))

const options = (name: string) => ({ cacheFolder: join(folder, name), signal: undefined })

/** A weight of the model, and what its quantised copy stands for, [outputs, inputs]. */
async function quantised(name: string, plan: QuantisationPlan, cache: string) {
  const weights = await readWhisperWeights(source())
  const copy = await openQuantisedCopy(weights, plan, options(cache))
  const original = weights.tensors.get(name === OUTPUT_PROJECTION ? EMBEDDING : name)!
  const [outputs = 0, inputs = 0] = original.shape
  await using reader = new TensorReader()
  const tensor = copy.tensors.get(name)!
  const scales = copy.tensors.get(`${name}${SCALE_SUFFIX}`)!
  const scale = await reader.rows(scales, 0, scales.shape[0] ?? 0)
  const bytes = await reader.bytes(tensor, 0, tensor.length)
  const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length)
  const valueAt = (output: number, input: number): number => {
    if (tensor.type === 'I8') return signed[input * outputs + output]! * scale[output]!
    const at = output * inputs + input
    const nibble = (bytes[at >> 1]! >> (4 * (at & 1))) & 15
    return (nibble - 8) * scale[Math.floor(at / Q4_BLOCK)]!
  }
  return { exact: await reader.rows(original, 0, outputs), valueAt, outputs, inputs, type: tensor.type, copy }
}

describe.each([
  ['an encoder weight in eight bits', 'encoder.layers.0.fc1.weight', Q8, 'I8', 127],
  ['a decoder weight in seven bits', 'decoder.layers.1.self_attn.q_proj.weight', Q8, 'I8', 63],
  ['the projection to the vocabulary', OUTPUT_PROJECTION, Q8, 'I8', 63],
  ['a decoder weight in four bits', 'decoder.layers.1.fc2.weight', Q4, 'U8', 7],
] as const)('%s', (_, name, plan, type, levels) => {
  test('is off by half a step at most', async () => {
    const { exact, valueAt, outputs, inputs, type: stored } = await quantised(name, plan, 'values')
    expect(stored).toBe(type)
    for (let output = 0; output < outputs; output++) {
      const row = exact.subarray(output * inputs, (output + 1) * inputs)
      const step = row.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / levels
      for (let input = 0; input < inputs; input++) {
        // The largest positive value of four bits is one step short.
        const tolerance = type === 'U8' ? 1.01 : 0.501
        expect(Math.abs(valueAt(output, input) - row[input]!)).toBeLessThanOrEqual(tolerance * step)
      }
    }
  })
})

test('what is not a linear layer stays as it is, bit by bit', async () => {
  const weights = await readWhisperWeights(source())
  const copy = await openQuantisedCopy(weights, Q8, options('values'))
  await using reader = new TensorReader()
  for (const name of [EMBEDDING, 'encoder.conv1.weight', 'decoder.layer_norm.weight', 'encoder.layers.0.fc1.bias']) {
    const [one, other] = [weights.tensors.get(name)!, copy.tensors.get(name)!]
    expect(other.type).toBe(one.type)
    expect(await reader.bytes(other, 0, other.length)).toEqual(await reader.bytes(one, 0, one.length))
  }
})

test('only the decoder is quantised where the plan says so', async () => {
  const { copy } = await quantised('decoder.layers.0.fc1.weight', Q4, 'half')
  expect(copy.tensors.get('encoder.layers.0.fc1.weight')?.type).toBe('F16')
  // The cross-attention's keys and values are made with the encoder, once a window.
  expect(copy.tensors.get('decoder.layers.0.encoder_attn.k_proj.weight')?.type).toBe('F16')
  expect(copy.tensors.get('decoder.layers.0.encoder_attn.q_proj.weight')?.type).toBe('U8')
})

test('is made once, and anew when the weights have changed', async () => {
  const open = async (): Promise<string> => {
    const { tensors } = await openQuantisedCopy(await readWhisperWeights(source()), Q8, options('once'))
    return tensors.get(EMBEDDING)?.file ?? ''
  }
  const first = await open()
  const { mtimeMs } = await stat(first)
  expect(await open()).toBe(first)
  expect((await stat(first)).mtimeMs).toBe(mtimeMs)
  await utimes(join(source(), 'model.safetensors'), new Date(), new Date(Date.now() + 5000))
  expect(await open()).not.toBe(first)
})

test('two at the same time make the same', async () => {
  const weights = await readWhisperWeights(source())
  const copies = await Promise.all([1, 2].map(() => openQuantisedCopy(weights, Q8, options('twice'))))
  const [one = '', other = ''] = copies.map(({ tensors }) => tensors.get(EMBEDDING)?.file)
  expect(other).toBe(one)
  expect(await readdir(join(folder, 'twice'))).toHaveLength(1)
  expect((await readFile(one)).length).toBeGreaterThan(1000)
})

test('leaves nothing when it is aborted, and passes on why a folder can’t be written', async () => {
  const weights = await readWhisperWeights(source())
  const cacheFolder = join(folder, 'aborted')
  const aborted = openQuantisedCopy(weights, Q8, { cacheFolder, signal: AbortSignal.abort(new Error('enough')) })
  await expect(aborted).rejects.toThrow('enough')
  expect(await readdir(cacheFolder)).toEqual([])
  const inFile = join(source(), 'config.json', 'cache')
  await expect(openQuantisedCopy(weights, Q8, { cacheFolder: inFile, signal: undefined })).rejects.toMatchObject({
    code: 'engine.cache_unusable',
    retryable: false,
    message: expect.stringContaining('cache folder'),
  })
})

test.skipIf(process.platform !== 'linux')('no other error than that of a full disk counts as one', async () => {
  expect(isDiskFull(await writeFile('/dev/full', 'x').catch((error: unknown) => error))).toBe(true)
  expect(isDiskFull(await writeFile(join(source(), 'config.json', 'x'), 'x').catch((error: unknown) => error))).toBe(
    false,
  )
})
