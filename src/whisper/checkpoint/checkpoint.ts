import { readFile, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import Type from 'typebox'
import type { Static, TSchema } from 'typebox'
import { Check, Errors } from 'typebox/value'
import { EngineError } from '../errors.ts'
import { readSafetensors } from './safetensors.ts'
import type { TensorLocation } from './safetensors.ts'

const Size = Type.Integer({ minimum: 1, maximum: 1_000_000 })
const TokenId = Type.Integer({ minimum: 0 })

const Config = Type.Object({
  model_type: Type.Literal('whisper'),
  d_model: Size,
  encoder_layers: Size,
  encoder_attention_heads: Size,
  decoder_layers: Size,
  decoder_attention_heads: Size,
  num_mel_bins: Size,
  max_source_positions: Size,
  max_target_positions: Size,
  vocab_size: Size,
  activation_function: Type.Literal('gelu'),
})

const GenerationConfig = Type.Object({
  is_multilingual: Type.Optional(Type.Boolean()),
  lang_to_id: Type.Optional(Type.Record(Type.String(), TokenId)),
})

const ShardIndex = Type.Object({ weight_map: Type.Record(Type.String(), Type.String({ pattern: '^[\\w.-]+$' })) })

/** Sizes of the network, under the reference's names (`ModelDimensions`). */
export interface Dimensions {
  readonly nMels: number
  readonly nAudioCtx: number
  readonly nState: number
  readonly nAudioHead: number
  readonly nAudioLayer: number
  readonly nVocab: number
  readonly nTextCtx: number
  readonly nTextHead: number
  readonly nTextLayer: number
}

/** A Whisper checkpoint in the Hugging Face layout, read but not loaded. */
export interface Checkpoint {
  /** Absolute path. */
  readonly folder: string
  readonly dimensions: Dimensions
  readonly isMultilingual: boolean
  /** By the checkpoint's names, without the leading `model.`. */
  readonly tensors: ReadonlyMap<string, TensorLocation>
}

/**
 * Reads a folder with `config.json`, `model.safetensors` (or its shards and their index) and, where it is there,
 * `generation_config.json`.
 * @throws EngineError `checkpoint.missing_file`, `checkpoint.invalid`
 */
export async function readCheckpoint(folder: string): Promise<Checkpoint> {
  const config = await readJson(folder, 'config.json', Config)
  if (config === undefined) throw missing('config.json')
  const generation = await readJson(folder, 'generation_config.json', GenerationConfig)
  return Object.freeze({
    folder,
    dimensions: {
      nMels: config.num_mel_bins,
      nAudioCtx: config.max_source_positions,
      nState: config.d_model,
      nAudioHead: config.encoder_attention_heads,
      nAudioLayer: config.encoder_layers,
      nVocab: config.vocab_size,
      nTextCtx: config.max_target_positions,
      nTextHead: config.decoder_attention_heads,
      nTextLayer: config.decoder_layers,
    },
    // Old fine-tunes lack the generation config; the vocabulary of English-only checkpoints is one token shorter.
    isMultilingual:
      generation?.is_multilingual ?? (generation?.lang_to_id !== undefined || config.vocab_size >= 51_865),
    tensors: await readTensors(folder),
  })
}

async function readTensors(folder: string): Promise<ReadonlyMap<string, TensorLocation>> {
  const index = await readJson(folder, 'model.safetensors.index.json', ShardIndex)
  const files = index === undefined ? ['model.safetensors'] : [...new Set(Object.values(index.weight_map))].toSorted()
  const tensors = new Map<string, TensorLocation>()
  for (const file of files) {
    // A hub's cache holds links; ONNX Runtime takes no file that a link leads out of its folder.
    const path = await realpath(join(folder, file)).catch((cause: unknown) => {
      throw missing(file, cause)
    })
    for (const [name, location] of await readSafetensors(path)) tensors.set(name.replace(/^model\./, ''), location)
  }
  return tensors
}

async function readJson<Schema extends TSchema>(
  folder: string,
  name: string,
  schema: Schema,
): Promise<Static<Schema> | undefined> {
  const text = await readFile(join(folder, name), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw new EngineError('checkpoint.invalid', `${name} is not JSON.`, { cause })
  }
  if (Check(schema, json)) return json
  const [error] = Errors(schema, json)
  throw new EngineError(
    'checkpoint.invalid',
    `${name}: ${error?.instancePath ?? ''} ${error?.message ?? 'is invalid'}.`,
  )
}

function missing(file: string, cause?: unknown): EngineError {
  return new EngineError('checkpoint.missing_file', `The checkpoint has no ${file}.`, { cause })
}
