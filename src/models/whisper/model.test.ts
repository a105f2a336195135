import { mkdtemp, cp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { goldenJson, goldenTensor, maxError } from '../../../test/support/golden.ts'
import { PROJECT } from '../../../test/support/server.ts'
import { WhisperModel } from './model.ts'

const DEMO = join(PROJECT, 'models/whisper-demo')
const { tokens } = goldenJson<{ tokens: number[] }>('tensors.json')

describe('numbers of the reference', () => {
  let model: WhisperModel
  beforeAll(async () => {
    model = await WhisperModel.load(DEMO, { threads: 1 })
  })
  afterAll(() => model[Symbol.asyncDispose]())

  test('encoder output', async () => {
    using slot = model.slot()
    const encoded = await slot.encode(goldenTensor('en-short.mel.f32'))
    expect(maxError(encoded, goldenTensor('en-short.encoder.f32'))).toBeLessThan(1e-4)
  })

  test('logits, all tokens read at once', async () => {
    using slot = model.slot()
    await slot.encode(goldenTensor('en-short.mel.f32'))
    const { logits } = await slot.read(tokens, [...tokens.keys()], { wantsLogits: true })
    expect(maxError(logits, goldenTensor('en-short.logits.f32'))).toBeLessThan(1e-3)
  })

  test('logits, token by token with the cache, for several sequences over one window', async () => {
    const expected = goldenTensor('en-short.logits.f32')
    const { nVocab } = model.dimensions
    using slot = model.slot()
    await slot.encode(goldenTensor('en-short.mel.f32'))
    slot.rearrange([0, 0, 0])
    for (const [index, token] of tokens.entries()) {
      const { logits } = await slot.read([token, token, token], [0], { wantsLogits: true })
      const row = expected.subarray(index * nVocab, (index + 1) * nVocab)
      for (const sequence of [0, 1, 2]) {
        expect(maxError(logits.subarray(sequence * nVocab, (sequence + 1) * nVocab), row)).toBeLessThan(1e-3)
      }
    }
  })
})

interface HeaderEntry {
  readonly shape: readonly number[]
  readonly data_offsets: readonly [begin: number, end: number]
}

/** In as many bytes as the header had. */
function padded(header: unknown, length: number): Buffer {
  return Buffer.from(JSON.stringify(header).padEnd(length))
}

describe('a model that can’t be used', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sotto-model-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  const damaged = async (name: string, damage: (copy: string) => Promise<void>): Promise<unknown> => {
    const copy = join(folder, name)
    await cp(DEMO, copy, { recursive: true })
    await damage(copy)
    return await WhisperModel.load(copy, { threads: 1 }).catch((error: unknown) => error)
  }

  test('without weights', async () => {
    const error = await damaged('no-weights', (copy) => rm(join(copy, 'model.safetensors')))
    expect(error).toMatchObject({
      code: 'checkpoint.missing_file',
      message: expect.stringContaining('model.safetensors'),
    })
  })

  test('with weights that are cut off', async () => {
    const error = await damaged('cut', (copy) => truncate(join(copy, 'model.safetensors'), 1_000_000))
    expect(error).toMatchObject({ code: 'checkpoint.invalid', message: expect.stringContaining('cut off') })
  })

  test('with a header that is longer than the file', async () => {
    const error = await damaged('header', (copy) => writeFile(join(copy, 'model.safetensors'), Buffer.alloc(64, 255)))
    expect(error).toMatchObject({ code: 'checkpoint.invalid' })
  })

  test('with sizes that do not fit the weights', async () => {
    const error = await damaged('sizes', async (copy) => {
      const config = JSON.parse(await readFile(join(copy, 'config.json'), 'utf8')) as Record<string, unknown>
      await writeFile(join(copy, 'config.json'), JSON.stringify({ ...config, d_model: 256 }))
    })
    expect(error).toMatchObject({ code: 'checkpoint.invalid', message: expect.stringContaining('shape') })
  })

  test('with weights in integers', async () => {
    const error = await damaged('integers', async (copy) => {
      const path = join(copy, 'model.safetensors')
      const bytes = await readFile(path)
      const length = Number(bytes.readBigUInt64LE())
      const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<string, HeaderEntry>
      const entry = header['model.decoder.layers.1.encoder_attn.v_proj.weight']!
      const [begin] = entry.data_offsets
      Object.assign(entry, { dtype: 'U8', data_offsets: [begin, begin + entry.shape[0]! * entry.shape[1]!] })
      await writeFile(path, Buffer.concat([bytes.subarray(0, 8), padded(header, length), bytes.subarray(8 + length)]))
    })
    expect(error).toMatchObject({
      code: 'checkpoint.unsupported',
      message: 'The model has weights of the type U8; F32, F16 and BF16 can be used.',
    })
  })

  test('with alignment heads that it does not have', async () => {
    const error = await damaged('heads', async (copy) => {
      await writeFile(join(copy, 'generation_config.json'), JSON.stringify({ alignment_heads: [[0, 2]] }))
    })
    expect(error).toMatchObject({
      code: 'checkpoint.invalid',
      message: 'generation_config.json names the alignment head 0.2; there are 2 layers of 2 heads.',
    })
  })

  test('of another model', async () => {
    const error = await damaged('bert', async (copy) => {
      const config = JSON.parse(await readFile(join(copy, 'config.json'), 'utf8')) as Record<string, unknown>
      await writeFile(join(copy, 'config.json'), JSON.stringify({ ...config, model_type: 'bert' }))
    })
    expect(error).toMatchObject({ code: 'checkpoint.invalid', message: expect.stringContaining('config.json') })
  })
})
