import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LAYOUTS, writeRandomModel } from '../../test/support/random-model.ts'
import { readWhisperWeights } from '../../src/models/whisper/weights/whisper-weights.ts'
import { Tokenizer } from '../../src/models/whisper/tokenizer/tokenizer.ts'
import { overwriteTensor, readTensor } from './tensors.ts'

/** Tokens that each window of 30 s is decoded to, its two timestamps among them. */
export const STEPS_A_WINDOW = 100

/**
 * Length of a position's vector, in lengths of a token's. What the layers add to it is some fifty, so the wanted token wins by far in
 * every arithmetic, and all other tokens are equally far behind.
 */
const DOMINANCE = 1000

/** Bytes come first in the vocabulary, then words. The stride scatters the words, so that they don't look like a repetition. */
const FIRST_WORD = 256
const WORD_STRIDE = 487

/**
 * Writes a model of a published shape with random weights whose text does not depend on what it hears: `<|0.00|>`, words,
 * `<|30.00|>`, end. Random weights alone make an engine decode gibberish of a length that small differences in arithmetic decide,
 * and then the engines would not do the same work.
 *
 * The embedding of the positions does it. That of position n is a large multiple of the embedding of the token that is wanted at
 * n + 1; behind the last layer norm that direction is left, and the logits are its products with the embeddings.
 */
export async function writeFixedStepsModel(folder: string, shape: 'tiny' | 'small'): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  await writeRandomModel(folder, LAYOUTS[shape], { type: 'F16' })
  const weights = await readWhisperWeights(folder)
  const tokenizer = await Tokenizer.load(folder, weights)
  const { nState, nTextCtx } = weights.dimensions
  const embedding = await readTensor(weights, 'decoder.embed_tokens.weight')
  const positions = weights.tensors.get('decoder.embed_positions.weight')
  if (positions === undefined) throw new Error('the model has no positions')

  const wanted = wantedTokens(tokenizer)
  const values = new Float32Array(nTextCtx * nState)
  for (let position = 0; position < nTextCtx; position++) {
    const token = wanted[position + 1] ?? tokenizer.eot
    for (let index = 0; index < nState; index++) {
      values[position * nState + index] = DOMINANCE * (embedding.values[token * nState + index] ?? 0)
    }
  }
  await overwriteTensor(positions, values)
  await describeForTransformers(folder, tokenizer)
}

/** By position, the prompt included. Where a prompt says `<|notimestamps|>`, that stands in the place of `<|0.00|>`. */
function wantedTokens(tokenizer: Tokenizer): readonly number[] {
  const words = Array.from({ length: STEPS_A_WINDOW - 2 }, (_, index) => FIRST_WORD + WORD_STRIDE * (index + 1))
  const last = tokenizer.timestampBegin + 1500
  return [...tokenizer.sotSequence('en', 'transcribe'), tokenizer.timestampBegin, ...words, last, tokenizer.eot]
}

/** What the hub's models tell the libraries that read them, and that our engine finds out by itself. */
async function describeForTransformers(folder: string, tokenizer: Tokenizer): Promise<void> {
  const update = async (file: string, more: Readonly<Record<string, unknown>>): Promise<void> => {
    const known = JSON.parse(await readFile(join(folder, file), 'utf8').catch(() => '{}')) as Record<string, unknown>
    await writeFile(join(folder, file), JSON.stringify({ ...known, ...more }))
  }
  const ids = {
    ...{ bos_token_id: tokenizer.eot, eos_token_id: tokenizer.eot, pad_token_id: tokenizer.eot },
    ...{ decoder_start_token_id: tokenizer.sot, max_length: 448 },
    ...{ suppress_tokens: [], begin_suppress_tokens: [tokenizer.eot] },
  }
  const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as Record<string, number>
  await update('config.json', {
    ...ids,
    ...{ architectures: ['WhisperForConditionalGeneration'], is_encoder_decoder: true, use_cache: true },
    ...{ num_hidden_layers: config.encoder_layers, encoder_ffn_dim: 4 * (config.d_model ?? 0) },
    ...{ decoder_ffn_dim: 4 * (config.d_model ?? 0), scale_embedding: false, tie_word_embeddings: true },
  })
  await update('generation_config.json', {
    ...ids,
    lang_to_id: Object.fromEntries([...tokenizer.languages].map(([code, id]) => [`<|${code}|>`, id])),
    task_to_id: { transcribe: tokenizer.transcribe, translate: tokenizer.translate },
    ...{ no_timestamps_token_id: tokenizer.noTimestamps, max_initial_timestamp_index: 50 },
  })
  await update('preprocessor_config.json', {
    ...{ feature_extractor_type: 'WhisperFeatureExtractor', processor_class: 'WhisperProcessor' },
    ...{ feature_size: config.num_mel_bins, sampling_rate: 16_000, hop_length: 160, n_fft: 400, chunk_length: 30 },
    ...{ n_samples: 480_000, nb_max_frames: 3000, padding_side: 'right', padding_value: 0 },
    return_attention_mask: false,
  })
  await update('tokenizer.json', { truncation: null, padding: null, post_processor: null })
  await update('tokenizer_config.json', {
    ...{ tokenizer_class: 'WhisperTokenizer', processor_class: 'WhisperProcessor', errors: 'replace' },
    ...{ bos_token: '<|endoftext|>', eos_token: '<|endoftext|>', pad_token: '<|endoftext|>' },
    ...{ unk_token: '<|endoftext|>', add_prefix_space: false, model_max_length: 1024 },
  })
}
