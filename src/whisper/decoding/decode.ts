import type { DecoderState, EncodedWindow, WhisperModel } from '../model.ts'
import type { Task, Tokenizer } from '../tokenizer/tokenizer.ts'
import { compressionRatio } from './compression-ratio.ts'
import { EMPTY_SEQUENCE, extendGreedily } from './greedy.ts'
import { logSumExp } from './log-softmax.ts'
import { ApplyTimestampRules, SuppressBlank, SuppressTokens } from './logit-filters.ts'
import type { LogitFilter } from './logit-filters.ts'
import { suppressedTokens } from './suppressed-tokens.ts'

/** How one window is decoded; names and meaning are the reference's (`DecodingOptions`). */
export interface DecodingOptions {
  readonly task: Task
  /** Code of a language that the checkpoint knows. */
  readonly language: string
  /** Token ids of the text so far. */
  readonly prompt: readonly number[]
  /** Token ids, −1 for the non-speech symbols; empty: none, not even the special tokens. */
  readonly suppressTokens: readonly number[]
}

export interface DecodingResult {
  /** Sampled token ids, timestamps included, without the end of text. */
  readonly tokens: readonly number[]
  readonly text: string
  readonly avgLogprob: number
  readonly noSpeechProb: number
  readonly compressionRatio: number
}

/** The first timestamp is at most this late. */
const MAX_INITIAL_TIMESTAMP_SECONDS = 1
const WINDOW_SECONDS = 30

/** Decodes one encoded window: the reference's `DecodingTask`. */
export async function decode(
  model: WhisperModel,
  window: EncodedWindow,
  options: DecodingOptions,
  signal?: AbortSignal,
): Promise<DecodingResult> {
  const { tokenizer, dimensions } = model
  const { nTextCtx, nVocab } = dimensions
  const initialTokens = initialTokensOf(tokenizer, nTextCtx, options)
  const sotIndex = initialTokens.indexOf(tokenizer.sot)
  const filters = filtersOf(model, options)
  const state = model.sequences(window, 1)

  const first = await state.read(initialTokens, [sotIndex, initialTokens.length - 1])
  const noSpeechProb = probability(first.subarray(0, nVocab), tokenizer.noSpeech)
  const step = (logits: Float32Array, sequence: typeof EMPTY_SEQUENCE): typeof EMPTY_SEQUENCE => {
    for (const filter of filters) filter.apply(logits, sequence.sampled)
    return extendGreedily(sequence, logits, tokenizer.eot)
  }
  let sequence = step(first.subarray(nVocab), EMPTY_SEQUENCE)
  const sampleLength = Math.floor(nTextCtx / 2)
  for (let sampled = 1; sampled < sampleLength && canGoOn(sequence, state, nTextCtx); sampled++) {
    signal?.throwIfAborted()
    const token = sequence.sampled.at(-1)
    if (token === undefined) break
    sequence = step(await state.read([token], [0]), sequence)
  }

  const text = tokenizer.decode(sequence.sampled).trim()
  return {
    tokens: sequence.sampled,
    text,
    avgLogprob: sequence.sumLogprob / (sequence.sampled.length + 1),
    noSpeechProb,
    compressionRatio: compressionRatio(text),
  }
}

/** The state has read all but the last sampled token, which must still fit. */
function canGoOn(sequence: typeof EMPTY_SEQUENCE, state: DecoderState, nTextCtx: number): boolean {
  return !sequence.isComplete && state.length + 1 <= nTextCtx
}

/** The text so far, at most half the context of it, then what asks for the task. */
function initialTokensOf(tokenizer: Tokenizer, nTextCtx: number, options: DecodingOptions): readonly number[] {
  const sotSequence = tokenizer.sotSequence(options.language, options.task)
  if (options.prompt.length === 0) return sotSequence
  return [tokenizer.sotPrev, ...options.prompt.slice(-(Math.floor(nTextCtx / 2) - 1)), ...sotSequence]
}

function filtersOf({ tokenizer, dimensions }: WhisperModel, options: DecodingOptions): readonly LogitFilter[] {
  const suppressed = suppressedTokens(tokenizer, options.suppressTokens)
  const secondsPerTimestamp = WINDOW_SECONDS / dimensions.nAudioCtx
  return [
    new SuppressBlank(tokenizer),
    ...(suppressed === undefined ? [] : [new SuppressTokens(suppressed)]),
    new ApplyTimestampRules(tokenizer, Math.round(MAX_INITIAL_TIMESTAMP_SECONDS / secondsPerTimestamp)),
  ]
}

function probability(logits: Float32Array, token: number): number {
  return Math.exp(logits[token]! - logSumExp(logits, 0, logits.length))
}
