import { realpath } from 'node:fs/promises'
import { join } from 'node:path'
import Type from 'typebox'
import { EngineError } from '../errors.ts'
import { missingFile, readJsonFile } from '../json-file.ts'
import { readSafetensors } from './safetensors.ts'
import type { TensorLocation, Tensors } from './safetensors.ts'

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
  alignment_heads: Type.Optional(Type.Array(Type.Tuple([Type.Integer({ minimum: 0 }), Type.Integer({ minimum: 0 })]))),
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
  /** For each decoder layer, the heads whose cross-attention follows the audio. */
  readonly alignmentHeads: readonly (readonly number[])[]
  /** By the checkpoint's names, without the leading `model.`. */
  readonly tensors: Tensors
}

/**
 * Reads a folder with `config.json`, `model.safetensors` (or its shards and their index) and, where it is there,
 * `generation_config.json`.
 * @throws EngineError `checkpoint.missing_file`, `checkpoint.invalid`
 */
export async function readCheckpoint(folder: string): Promise<Checkpoint> {
  const config = await readJsonFile(folder, 'config.json', Config)
  if (config === undefined) throw missingFile('config.json')
  const generation = await readJsonFile(folder, 'generation_config.json', GenerationConfig)
  const { decoder_layers: layers, decoder_attention_heads: heads } = config
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
    alignmentHeads: alignmentHeads(generation?.alignment_heads, layers, heads),
    tensors: await readTensors(folder),
  })
}

/** Those that the generation config names, else all of the upper half of the layers, as in the reference. */
function alignmentHeads(
  named: readonly (readonly [layer: number, head: number])[] | undefined,
  layers: number,
  heads: number,
): readonly (readonly number[])[] {
  const strange = named?.find(([layer, head]) => layer >= layers || head >= heads)
  if (strange !== undefined) {
    throw new EngineError(
      'checkpoint.invalid',
      `generation_config.json names the alignment head ${strange.join('.')}; there are ${layers} layers of ${heads} heads.`,
    )
  }
  const all = Array.from({ length: heads }, (_, head) => head)
  return Array.from({ length: layers }, (_, layer) => {
    if (named === undefined || named.length === 0) return layer < Math.floor(layers / 2) ? [] : all
    return named.filter(([of]) => of === layer).map(([, head]) => head)
  })
}

async function readTensors(folder: string): Promise<Tensors> {
  const index = await readJsonFile(folder, 'model.safetensors.index.json', ShardIndex)
  const files = index === undefined ? ['model.safetensors'] : [...new Set(Object.values(index.weight_map))].toSorted()
  const tensors = new Map<string, TensorLocation>()
  for (const file of files) {
    // A hub's cache holds links; ONNX Runtime takes no file that a link leads out of its folder.
    const path = await realpath(join(folder, file)).catch((cause: unknown) => {
      throw missingFile(file, cause)
    })
    for (const [name, location] of await readSafetensors(path)) tensors.set(name.replace(/^model\./, ''), location)
  }
  return tensors
}
