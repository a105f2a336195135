import { mkdir, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TensorType } from '../../src/speech/weights/safetensors.ts'

/** Sizes of a model, under the names of its `config.json`. */
export interface Layout {
  readonly dModel: number
  readonly layers: { readonly encoder: number; readonly decoder: number }
  readonly heads: number
  readonly melBins: number
  readonly audioContext: number
  readonly textContext: number
  /** Tokens of text, before `<|endoftext|>`. */
  readonly textTokens: number
  readonly languages: number
  readonly isMultilingual: boolean
  readonly timestamps: number
}

const PUBLISHED = { melBins: 80, audioContext: 1500, textContext: 448, timestamps: 1501 } as const
const MULTILINGUAL = { ...PUBLISHED, textTokens: 50_257, languages: 99, isMultilingual: true } as const

/** The published shapes; of some only two layers, of 12 and of 32, so that they fit a test. */
export const LAYOUTS = {
  tiny: { ...MULTILINGUAL, dModel: 384, layers: { encoder: 4, decoder: 4 }, heads: 6 },
  'tiny.en': {
    ...{ ...PUBLISHED, dModel: 384, layers: { encoder: 4, decoder: 4 }, heads: 6 },
    ...{ textTokens: 50_256, languages: 99, isMultilingual: false },
  },
  small: { ...MULTILINGUAL, dModel: 768, layers: { encoder: 12, decoder: 12 }, heads: 12 },
  'small-cut': { ...MULTILINGUAL, dModel: 768, layers: { encoder: 2, decoder: 2 }, heads: 12 },
  'large-v3-cut': {
    ...{ ...MULTILINGUAL, dModel: 1280, layers: { encoder: 2, decoder: 2 }, heads: 20 },
    ...{ melBins: 128, languages: 100 },
  },
} as const satisfies Readonly<Record<string, Layout>>

/** Small enough for slow arithmetic. */
export const SMALL_LAYOUT: Layout = {
  ...{ dModel: 32, layers: { encoder: 2, decoder: 3 }, heads: 4, melBins: 8, audioContext: 40, textContext: 48 },
  ...{ textTokens: 300, languages: 3, isMultilingual: true, timestamps: 41 },
}

export interface ModelForm {
  readonly type: TensorType
  /** Files that the weights are spread over. */
  readonly shards?: number
}

/** Writes a model in the Hugging Face layout, with random weights that are the same each time. */
export async function writeRandomModel(folder: string, layout: Layout, form: ModelForm): Promise<void> {
  await mkdir(folder, { recursive: true })
  const vocabulary = vocabularyOf(layout)
  const config = {
    ...{ model_type: 'whisper', activation_function: 'gelu', d_model: layout.dModel, num_mel_bins: layout.melBins },
    ...{ encoder_layers: layout.layers.encoder, encoder_attention_heads: layout.heads },
    ...{ decoder_layers: layout.layers.decoder, decoder_attention_heads: layout.heads },
    ...{ max_source_positions: layout.audioContext, max_target_positions: layout.textContext },
    vocab_size: layout.textTokens + vocabulary.special.length,
  }
  const generation = { is_multilingual: layout.isMultilingual }
  await writeFile(join(folder, 'config.json'), JSON.stringify(config))
  await writeFile(join(folder, 'generation_config.json'), JSON.stringify(generation))
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizerOf(vocabulary)))

  const tensors = tensorsOf(layout, config.vocab_size)
  const shards = form.shards ?? 1
  const map: Record<string, string> = {}
  for (let shard = 0; shard < shards; shard++) {
    const mine = tensors.filter((_, index) => index % shards === shard)
    const number = (value: number): string => String(value).padStart(5, '0')
    const file = shards === 1 ? 'model.safetensors' : `model-${number(shard + 1)}-of-${number(shards)}.safetensors`
    await writeSafetensors(join(folder, file), mine, form.type)
    for (const { name } of mine) map[name] = file
  }
  if (shards > 1) await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }))
}

interface TensorShape {
  readonly name: string
  readonly shape: readonly number[]
}

function tensorsOf({ dModel, layers, melBins, audioContext, textContext }: Layout, vocabSize: number): TensorShape[] {
  const tensors: TensorShape[] = []
  const add = (name: string, ...shape: number[]): void => void tensors.push({ name: `model.${name}`, shape })
  const linear = (name: string, outputs: number, inputs: number, hasBias = true): void => {
    add(`${name}.weight`, outputs, inputs)
    if (hasBias) add(`${name}.bias`, outputs)
  }
  const norm = (name: string): void => {
    add(`${name}.weight`, dModel)
    add(`${name}.bias`, dModel)
  }
  const attention = (name: string): void => {
    for (const part of ['q_proj', 'k_proj', 'v_proj', 'out_proj'])
      linear(`${name}.${part}`, dModel, dModel, part !== 'k_proj')
    norm(`${name}_layer_norm`)
  }
  const block = (name: string, attentions: readonly string[]): void => {
    for (const each of attentions) attention(`${name}.${each}`)
    linear(`${name}.fc1`, 4 * dModel, dModel)
    linear(`${name}.fc2`, dModel, 4 * dModel)
    norm(`${name}.final_layer_norm`)
  }
  for (const [name, inputs] of [['conv1', melBins] as const, ['conv2', dModel] as const]) {
    add(`encoder.${name}.weight`, dModel, inputs, 3)
    add(`encoder.${name}.bias`, dModel)
  }
  add('encoder.embed_positions.weight', audioContext, dModel)
  for (let layer = 0; layer < layers.encoder; layer++) block(`encoder.layers.${layer}`, ['self_attn'])
  norm('encoder.layer_norm')
  add('decoder.embed_tokens.weight', vocabSize, dModel)
  add('decoder.embed_positions.weight', textContext, dModel)
  for (let layer = 0; layer < layers.decoder; layer++) block(`decoder.layers.${layer}`, ['self_attn', 'encoder_attn'])
  norm('decoder.layer_norm')
  return tensors
}

/** Numbers to draw from: as many as a file needs are taken from these, which is fast enough for hundreds of millions. */
const POOL_SIZE = 2 ** 16
const CHUNK = 2 ** 20

async function writeSafetensors(path: string, tensors: readonly TensorShape[], type: TensorType): Promise<void> {
  const bytesPerValue = type === 'F32' ? 4 : 2
  const header: Record<string, unknown> = {}
  let offset = 0
  for (const { name, shape } of tensors) {
    const length = bytesPerValue * sizeOf(shape)
    header[name] = { dtype: type, shape, data_offsets: [offset, offset + length] }
    offset += length
  }
  const json = Buffer.from(JSON.stringify(header))
  const prefix = Buffer.alloc(8)
  prefix.writeBigUInt64LE(BigInt(json.length))
  await using file = await open(path, 'w')
  await file.writeFile(Buffer.concat([prefix, json]))
  let state = 1
  for (const { name, shape } of tensors) {
    const pool = poolOf(name, shape, type)
    for (let left = sizeOf(shape); left > 0; left -= CHUNK) {
      const values = type === 'F32' ? new Uint32Array(Math.min(left, CHUNK)) : new Uint16Array(Math.min(left, CHUNK))
      for (let index = 0; index < values.length; index++) {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
        values[index] = pool[state >>> 16]!
      }
      await file.writeFile(new Uint8Array(values.buffer))
    }
  }
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1)
}

/** Bits of numbers that keep the activations in range: around 1 for the norms' scales, else spread by 1/√inputs. */
function poolOf(name: string, shape: readonly number[], type: TensorType): Uint32Array {
  const isScale = name.endsWith('norm.weight')
  const inputs = shape.length === 1 ? 400 : sizeOf(shape.slice(1))
  const spread = isScale ? 0.1 : Math.sqrt(3 / inputs)
  const bits = new DataView(new ArrayBuffer(4))
  return Uint32Array.from({ length: POOL_SIZE }, (_, index) => {
    const value = (isScale ? 1 : 0) + spread * ((2 * index) / (POOL_SIZE - 1) - 1)
    if (type === 'F16') {
      bits.setFloat16(0, value)
      return bits.getUint16(0)
    }
    bits.setFloat32(0, value)
    return type === 'F32' ? bits.getUint32(0) : bits.getUint16(0)
  })
}

interface Vocabulary {
  readonly text: readonly string[]
  readonly special: readonly string[]
}

const LANGUAGE_CODES = ['en', 'zh', 'de', 'es'] as const

/** The bytes, then words that nothing is encoded to, as many as the layout has; and the special tokens in their order. */
function vocabularyOf({ textTokens, languages, timestamps }: Layout): Vocabulary {
  const isPrintable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff)
  let other = 0x100
  const bytes = Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(isPrintable(byte) ? byte : other++))
  const letters = (number: number): string =>
    [number, number >> 4, number >> 8, number >> 12].map((part) => 'abcdefghijklmnop'[part & 15]).join('')
  const words = Array.from({ length: textTokens - bytes.length }, (_, index) => `Ġ${letters(index)}`)
  const code = (index: number): string =>
    LANGUAGE_CODES[index] ?? `${'abcdefghijkl'[index % 12]}${'qrtuvwxyz'[Math.floor(index / 12)]}`
  const special = [
    '<|endoftext|>',
    '<|startoftranscript|>',
    ...Array.from({ length: languages }, (_, index) => `<|${code(index)}|>`),
    ...['translate', 'transcribe', 'startoflm', 'startofprev', 'nospeech', 'notimestamps'].map((name) => `<|${name}|>`),
    ...Array.from({ length: timestamps }, (_, index) => `<|${(index * 0.02).toFixed(2)}|>`),
  ]
  return { text: [...bytes, ...words], special }
}

function tokenizerOf({ text, special }: Vocabulary): unknown {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }
  return {
    version: '1.0',
    added_tokens: special.map((content, index) => ({ id: text.length + index, content, special: true })),
    normalizer: null,
    pre_tokenizer: byteLevel,
    decoder: byteLevel,
    model: { type: 'BPE', vocab: Object.fromEntries(text.map((entry, index) => [entry, index])), merges: [] },
  }
}
