import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readWhisperWeights } from '../../src/models/whisper/weights/whisper-weights.ts'
import type { WhisperWeights } from '../../src/models/whisper/weights/whisper-weights.ts'
import { Tokenizer } from '../../src/models/whisper/tokenizer/tokenizer.ts'
import { halfBytes, readTensor } from './tensors.ts'

/** Pieces of text in the published multilingual vocabularies, which whisper.cpp takes for granted. */
const TEXT_TOKENS = 50_257

/** The hundredth language of the newest vocabulary. */
const ANOTHER_LANGUAGE = '<|yue|>'

/** What the padding's logits are below those of a token that never occurs, which are some 14 below the best. */
const PADDING_LOGIT = -20

const EMBEDDING = 'decoder.embed_tokens.weight'

/** The keys of the configuration whose numbers are ids of tokens. */
const ID_KEY = /(_token_id|suppress_tokens|_to_id)$/

interface TokenizerFile {
  readonly added_tokens: { id: number; readonly content: string; readonly special: boolean }[]
  readonly model: { readonly vocab: Record<string, number> }
}

/**
 * Writes a model of 99 languages with its vocabulary padded to that of large-v3: whisper.cpp knows the special tokens by their
 * published ids alone, and with an older vocabulary it takes a decoder of two layers for one that knows no timestamps. The tokens
 * in between are never sampled, and all engines get this same model and project onto as many.
 */
export async function writePaddedDemo(folder: string, demo: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const weights = await readWhisperWeights(demo)
  const tokenizer = await Tokenizer.load(demo, weights)
  const { eot, translate } = tokenizer
  const shift = TEXT_TOKENS - eot
  // The task follows the languages.
  const moved = (id: number): number => (id < eot ? id : id + shift + (id < translate ? 0 : 1))

  for (const file of ['config.json', 'generation_config.json']) {
    const config = JSON.parse(await readFile(join(demo, file), 'utf8')) as Record<string, unknown>
    const entries = Object.entries(config).map(([key, value]) => [
      key,
      ID_KEY.test(key) ? moveIds(value, moved) : value,
    ])
    const vocabSize = 'vocab_size' in config ? { vocab_size: weights.dimensions.nVocab + shift + 1 } : {}
    await writeFile(join(folder, file), JSON.stringify({ ...Object.fromEntries(entries), ...vocabSize }))
  }
  const file = JSON.parse(await readFile(join(demo, 'tokenizer.json'), 'utf8')) as TokenizerFile
  for (const token of file.added_tokens) token.id = moved(token.id)
  file.added_tokens.push({ id: translate + shift, content: ANOTHER_LANGUAGE, special: true })
  const { vocab } = file.model
  for (const [entry, id] of Object.entries(vocab)) if (id >= eot) delete vocab[entry]
  // No UTF-8, so that no text is ever encoded to them.
  for (let index = 0; index < shift; index++) vocab[invalidBytes(index)] = eot + index
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(file))
  await writeWeights(join(folder, 'model.safetensors'), weights, tokenizer, shift)
}

function moveIds(value: unknown, moved: (id: number) => number): unknown {
  if (typeof value === 'number') return moved(value)
  if (Array.isArray(value)) return value.map((each: unknown) => moveIds(each, moved))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, moveIds(each, moved)]))
}

/** Three bytes that each would begin a character of UTF-8, written in the characters that stand for them: themselves. */
function invalidBytes(index: number): string {
  return String.fromCodePoint(...[index >> 12, (index >> 6) & 63, index & 63].map((part) => 0xc0 + part))
}

async function writeWeights(path: string, weights: WhisperWeights, tokenizer: Tokenizer, shift: number): Promise<void> {
  const names = [...weights.tensors.keys()]
  const header: Record<string, unknown> = {}
  const parts: Uint8Array[] = []
  let offset = 0
  for (const name of names) {
    const tensor = await readTensor(weights, name)
    const { shape, values } = name === EMBEDDING ? await padEmbedding(weights, tokenizer, shift) : tensor
    const bytes = halfBytes(values)
    header[`model.${name}`] = { dtype: 'F16', shape, data_offsets: [offset, offset + bytes.length] }
    offset += bytes.length
    parts.push(bytes)
  }
  const json = Buffer.from(JSON.stringify(header))
  const prefix = Buffer.alloc(8)
  prefix.writeBigUInt64LE(BigInt(json.length))
  await using file = await open(path, 'w')
  await file.writeFile(Buffer.concat([prefix, json, ...parts]))
}

/**
 * The padding's rows are that of a language nobody speaks in the training data, plus c / w of the last layer norm. A layer norm's
 * output is w ∘ z + b with a z whose mean is 0, so its product with c / w is c · Σz + c · Σ(b / w) = c · Σ(b / w), whatever was heard.
 */
async function padEmbedding(
  weights: WhisperWeights,
  tokenizer: Tokenizer,
  shift: number,
): Promise<{ readonly shape: readonly number[]; readonly values: Float32Array }> {
  const { nState, nVocab } = weights.dimensions
  const { values } = await readTensor(weights, EMBEDDING)
  const w = (await readTensor(weights, 'decoder.layer_norm.weight')).values
  const b = (await readTensor(weights, 'decoder.layer_norm.bias')).values
  const c = PADDING_LOGIT / w.reduce((sum, scale, index) => sum + (b[index] ?? 0) / scale, 0)
  const unused = Math.max(...tokenizer.languages.values()) * nState
  const row = w.map((scale, index) => (values[unused + index] ?? 0) + c / scale)

  const padded = new Float32Array((nVocab + shift + 1) * nState)
  const text = tokenizer.eot * nState
  const languages = tokenizer.translate * nState
  padded.set(values.subarray(0, text))
  padded.set(values.subarray(text, languages), text + shift * nState)
  padded.set(values.subarray(languages), languages + (shift + 1) * nState)
  for (let index = 0; index < shift; index++) padded.set(row, text + index * nState)
  padded.set(row, languages + shift * nState)
  return { shape: [nVocab + shift + 1, nState], values: padded }
}
