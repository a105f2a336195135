import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import type { WhisperWeights } from '../../src/models/whisper/weights/whisper-weights.ts'
import { melFilters } from '../../src/speech/audio/mel-filters.ts'
import { tokenBytes } from '../../src/speech/tokenizer/bytes.ts'
import { readVocabulary } from '../../src/speech/tokenizer/vocabulary.ts'
import { floatBytes, halfBytes, readTensor } from './tensors.ts'

const MAGIC = 0x67_67_6d_6c
const F32 = 0
const F16 = 1

const FFT_LENGTH = 400
const SAMPLE_RATE = 16_000

/** A tensor's name is that of openai/whisper, whose names whisper.cpp's files keep. */
const RENAMED: readonly (readonly [RegExp, string])[] = [
  [/\.layers\./, '.blocks.'],
  [/self_attn_layer_norm/, 'attn_ln'],
  [/encoder_attn_layer_norm/, 'cross_attn_ln'],
  [/final_layer_norm/, 'mlp_ln'],
  [/self_attn/, 'attn'],
  [/encoder_attn/, 'cross_attn'],
  [/q_proj/, 'query'],
  [/k_proj/, 'key'],
  [/v_proj/, 'value'],
  [/out_proj/, 'out'],
  [/fc1/, 'mlp.0'],
  [/fc2/, 'mlp.2'],
  [/^encoder\.layer_norm/, 'encoder.ln_post'],
  [/^decoder\.layer_norm/, 'decoder.ln'],
  [/embed_tokens/, 'token_embedding'],
  [/embed_positions\.weight/, 'positional_embedding'],
]

/**
 * Writes a model as a file for whisper.cpp, with its matrices in f16 as in the files that it publishes.
 *
 * Little-endian: the magic number; eleven sizes; the mel filters [bands, bins]; the vocabulary of text, each entry with its length;
 * then each tensor: number of dimensions, length of its name, its type, its dimensions (the fastest first), its name, its numbers.
 * Of the special tokens whisper.cpp knows the ids by the size of the vocabulary, which has to be that of a published model.
 */
export async function writeGgmlModel(weights: WhisperWeights, path: string): Promise<void> {
  const { dimensions: sizes } = weights
  await using file = await open(path, 'w')
  await writeIntegers(file, [
    ...[MAGIC, sizes.nVocab, sizes.nAudioCtx, sizes.nState, sizes.nAudioHead, sizes.nAudioLayer, sizes.nTextCtx],
    ...[sizes.nState, sizes.nTextHead, sizes.nTextLayer, sizes.nMels, F16],
  ])
  await writeFilters(file, sizes.nMels)
  await writeVocabulary(file, weights.folder)
  for (const name of weights.tensors.keys()) {
    // The output projection is the embedding of the tokens; some models store it a second time.
    if (!name.startsWith('proj_out')) await writeTensor(file, weights, name)
  }
}

async function writeFilters(file: FileHandle, bands: number): Promise<void> {
  const bins = FFT_LENGTH / 2 + 1
  const filters = new Float32Array(bands * bins)
  for (const [band, { firstBin, weights }] of melFilters(bands, FFT_LENGTH, SAMPLE_RATE).entries()) {
    filters.set(weights, band * bins + firstBin)
  }
  await writeIntegers(file, [bands, bins])
  await file.writeFile(floatBytes(filters))
}

async function writeVocabulary(file: FileHandle, folder: string): Promise<void> {
  const { text } = await readVocabulary(folder)
  const entries = [...text].toSorted(([, one], [, other]) => one - other).map(([entry]) => tokenBytes(entry))
  await writeIntegers(file, [entries.length])
  await file.writeFile(Buffer.concat(entries.flatMap((entry) => [integers([entry.length]), entry])))
}

async function writeTensor(file: FileHandle, weights: WhisperWeights, name: string): Promise<void> {
  const { shape, values } = await readTensor(weights, name)
  const ggmlName = Buffer.from(RENAMED.reduce((renamed, [from, to]) => renamed.replace(from, to), name))
  const isMatrix = shape.length > 1 && !name.endsWith('embed_positions.weight')
  // The convolutions' biases are columns, to be added to all frames.
  const dimensions = /conv\d\.bias$/.test(name) ? [...shape, 1] : shape
  await writeIntegers(file, [...[dimensions.length, ggmlName.length, isMatrix ? F16 : F32], ...dimensions.toReversed()])
  await file.writeFile(ggmlName)
  await file.writeFile(isMatrix ? halfBytes(values) : floatBytes(values))
}

async function writeIntegers(file: FileHandle, values: readonly number[]): Promise<void> {
  await file.writeFile(integers(values))
}

function integers(values: readonly number[]): Uint8Array {
  return new Uint8Array(Int32Array.from(values).buffer)
}
