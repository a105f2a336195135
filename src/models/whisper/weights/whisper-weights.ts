import Type from 'typebox'
import { EngineError } from '../../../speech/errors.ts'
import { missingFile, readJsonFile } from '../../../speech/json-file.ts'
import { identify } from '../../../speech/weights/identity.ts'
import type { Tensors } from '../../../speech/weights/safetensors.ts'
import { readWeights } from '../../../speech/weights/weights.ts'

/** What configs call the family, and so does Sotto. */
export const MODEL_TYPE = 'whisper'

/** Ten times and more what published ones have: what is larger was made to take memory. */
const size = (maximum: number) => Type.Integer({ minimum: 1, maximum })
const TokenId = Type.Integer({ minimum: 0 })

const Config = Type.Object({
  model_type: Type.Literal(MODEL_TYPE),
  d_model: size(16_384),
  encoder_layers: size(256),
  encoder_attention_heads: size(256),
  decoder_layers: size(256),
  decoder_attention_heads: size(256),
  num_mel_bins: size(1024),
  max_source_positions: size(100_000),
  max_target_positions: size(100_000),
  vocab_size: size(1_000_000),
  activation_function: Type.Literal('gelu'),
})

const GenerationConfig = Type.Object({
  is_multilingual: Type.Optional(Type.Boolean()),
  lang_to_id: Type.Optional(Type.Record(Type.String(), TokenId)),
  alignment_heads: Type.Optional(
    Type.Array(Type.Tuple([Type.Integer({ minimum: 0 }), Type.Integer({ minimum: 0 })]), { maxItems: 4096 }),
  ),
})

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

/** A Whisper model in the Hugging Face layout, read but not loaded. */
export interface WhisperWeights {
  /** Absolute path. */
  readonly folder: string
  readonly dimensions: Dimensions
  readonly isMultilingual: boolean
  /** For each decoder layer, the heads whose cross-attention follows the audio. */
  readonly alignmentHeads: readonly (readonly number[])[]
  /** By the names in the files, without the leading `model.`. */
  readonly tensors: Tensors
}

/**
 * Reads a folder with `config.json`, `model.safetensors` (or its shards and their index) and, where it is there,
 * `generation_config.json`.
 * @throws EngineError `checkpoint.missing_file`, `checkpoint.invalid`
 */
export async function readWhisperWeights(folder: string): Promise<WhisperWeights> {
  const dimensions = await readDimensions(folder)
  const generation = await readJsonFile(folder, 'generation_config.json', GenerationConfig)
  return Object.freeze({
    folder,
    dimensions,
    // Old fine-tunes lack the generation config; the vocabulary of English-only models is one token shorter.
    isMultilingual:
      generation?.is_multilingual ?? (generation?.lang_to_id !== undefined || dimensions.nVocab >= 51_865),
    alignmentHeads: alignmentHeadsOf(generation?.alignment_heads, dimensions),
    tensors: await readWeights(folder, (name) => name.replace(/^model\./, '')),
  })
}

/**
 * The sizes alone, of `config.json`.
 * @throws EngineError `checkpoint.missing_file`, `checkpoint.invalid`
 */
export async function readDimensions(folder: string): Promise<Dimensions> {
  const config = await readJsonFile(folder, 'config.json', Config)
  if (config === undefined) throw missingFile('config.json')
  const { d_model: width, encoder_attention_heads: audioHeads, decoder_attention_heads: textHeads } = config
  if (width % audioHeads !== 0 || width % textHeads !== 0) {
    throw new EngineError(
      'checkpoint.invalid',
      `config.json: a d_model of ${width} can’t be shared by ${audioHeads} and ${textHeads} heads.`,
    )
  }
  return {
    nMels: config.num_mel_bins,
    nAudioCtx: config.max_source_positions,
    nState: width,
    nAudioHead: audioHeads,
    nAudioLayer: config.encoder_layers,
    nVocab: config.vocab_size,
    nTextCtx: config.max_target_positions,
    nTextHead: textHeads,
    nTextLayer: config.decoder_layers,
  }
}

/** Those that the generation config names, else all of the upper half of the layers, as in the reference. */
function alignmentHeadsOf(
  named: readonly (readonly [layer: number, head: number])[] = [],
  { nTextLayer: layers, nTextHead: heads }: Dimensions,
): readonly (readonly number[])[] {
  const strange = named.find(([layer, head]) => layer >= layers || head >= heads)
  if (strange !== undefined) {
    throw new EngineError(
      'checkpoint.invalid',
      `generation_config.json names the alignment head ${strange.join('.')}; there are ${layers} layers of ${heads} heads.`,
    )
  }
  const all = Array.from({ length: heads }, (_, head) => head)
  return Array.from({ length: layers }, (_, layer) => {
    if (named.length === 0) return layer < Math.floor(layers / 2) ? [] : all
    return named.filter(([of]) => of === layer).map(([, head]) => head)
  })
}

/**
 * Tells models apart by what they hold, wherever they lie.
 * @returns 32 hexadecimal digits
 */
export async function identifyWeights(weights: WhisperWeights): Promise<string> {
  const { dimensions, isMultilingual, alignmentHeads, tensors } = weights
  return await identify([dimensions, isMultilingual, alignmentHeads], tensors)
}
