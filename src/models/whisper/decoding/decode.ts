import type { Scores, Slot } from '../inference/slot.ts'
import type { WhisperModel } from '../model.ts'
import { roundHalfEven } from '../rounding.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import { BeamSearchDecoder } from './beam-search.ts'
import { compressionRatio } from '../../../transcript/compression-ratio.ts'
import type { DecodingOptions } from './decoding-options.ts'
import { initialTokensOf, sampleLengthOf } from './initial-tokens.ts'
import { logSumExp } from './log-softmax.ts'
import { ApplyTimestampRules, SuppressBlank } from './logit-filters.ts'
import type { LogitFilter } from './logit-filters.ts'
import { NextTokens, requireNumber } from './next-tokens.ts'
import { bestSequence } from './ranker.ts'
import { SamplingDecoder, seededRandom } from './sampling.ts'
import type { TokenDecoder } from './sequence.ts'
import { suppressedTokens } from './suppressed-tokens.ts'

export interface DecodingResult {
  /** Sampled token ids, timestamps included, without the end of text. */
  readonly tokens: readonly number[]
  readonly text: string
  readonly avgLogprob: number
  readonly noSpeechProb: number
  readonly compressionRatio: number
  readonly temperature: number
}

const WINDOW_SECONDS = 30

/**
 * Decodes the window that a slot has encoded: the reference's `DecodingTask`.
 * @throws EngineError `input.invalid` when the prefix fills the context, or no token may come next; `checkpoint.damaged` when the model’s
 *   answers are no numbers
 */
export async function decode(
  model: WhisperModel,
  slot: Slot,
  options: DecodingOptions,
  signal?: AbortSignal,
): Promise<DecodingResult> {
  const { tokenizer, dimensions } = model
  const { nTextCtx, nVocab } = dimensions
  const sampleLength = sampleLengthOf(nTextCtx, options)
  const initialTokens = initialTokensOf(tokenizer, nTextCtx, options)
  const filters = filtersOf(model, options)
  const decoder = decoderOf(tokenizer, options)
  const suppressed = suppressedTokensOf(tokenizer, options)

  slot.restart()
  // Without the mask: the probability of silence is that of a token which is suppressed.
  const sot = initialTokens.indexOf(tokenizer.sot)
  const first = await slot.read(initialTokens, [sot, initialTokens.length - 1], { wantsLogits: true })
  const noSpeechProb = requireNumber(probability(first.logits.subarray(0, nVocab), tokenizer.noSpeech))
  // The sequences have the prompt in common: it is read once.
  slot.rearrange(Array<number>(decoder.count).fill(0))
  let next = Array.from({ length: decoder.count }, () => {
    const tokens = new NextTokens(first.logits.slice(nVocab), tokenizer)
    tokens.forbid(suppressed)
    return tokens
  })
  const reading = {
    mask: model.maskOf(suppressed),
    top: decoder.proposals,
    // Samples may be any tokens.
    wantsLogits: options.temperature > 0,
  }
  for (let sampled = 1; ; sampled++) {
    for (const [index, { sampled: tokens }] of decoder.sequences.entries()) {
      for (const filter of filters) filter.apply(next[index]!, tokens)
    }
    const step = decoder.update(next)
    if (step.isComplete || sampled === sampleLength || slot.length >= nTextCtx) break
    signal?.throwIfAborted()
    slot.rearrange(step.parents)
    next = nextTokensOf(await slot.read(step.tokens, [0], reading), tokenizer)
  }

  const best = bestSequence(decoder.finalize(), options.lengthPenalty)
  const text = tokenizer.decode(best.sampled).trim()
  return {
    tokens: best.sampled,
    text,
    avgLogprob: best.sumLogprob / (best.sampled.length + 1),
    noSpeechProb,
    compressionRatio: compressionRatio(text),
    temperature: options.temperature,
  }
}

/** Beams and patience are for temperature 0, samples for those above. */
function decoderOf({ eot }: Tokenizer, options: DecodingOptions): TokenDecoder {
  const { temperature, beamSize, patience, bestOf, seed, seek } = options
  if (temperature === 0 && beamSize !== null)
    return new BeamSearchDecoder({ beams: beamSize, patience: patience ?? 1, eot })
  const count = temperature === 0 ? 1 : (bestOf ?? 1)
  return new SamplingDecoder({ count, temperature, eot, random: seededRandom(seed, seek) })
}

/** What the decoder says about each sequence. */
function nextTokensOf(scores: Scores, { timestampBegin, eot }: Tokenizer): NextTokens[] {
  const count = scores.topLogprob.length
  const part = <Values extends Float32Array | Int32Array>(values: Values, row: number): Values =>
    values.subarray((row * values.length) / count, ((row + 1) * values.length) / count) as Values
  return Array.from(scores.topLogprob, (logprob, row) => {
    const topText = { tokens: part(scores.topTokens, row), logits: part(scores.topLogits, row), logprob }
    return scores.logits.length > 0
      ? new NextTokens(part(scores.logits, row), { timestampBegin, topText })
      : new NextTokens(part(scores.lastLogits, row), { timestampBegin, topText, first: eot })
  })
}

/** What no step may sample. */
function suppressedTokensOf(tokenizer: Tokenizer, options: DecodingOptions): readonly number[] {
  const suppressed = suppressedTokens(tokenizer, options.suppressTokens) ?? []
  return options.withoutTimestamps ? suppressed : [...suppressed, tokenizer.noTimestamps]
}

function filtersOf({ tokenizer, dimensions }: WhisperModel, options: DecodingOptions): readonly LogitFilter[] {
  const { suppressBlank, withoutTimestamps, maxInitialTimestamp } = options
  const filters: LogitFilter[] = []
  if (suppressBlank) filters.push(new SuppressBlank(tokenizer))
  if (withoutTimestamps) return filters
  const secondsPerTimestamp = WINDOW_SECONDS / dimensions.nAudioCtx
  const isLimited = maxInitialTimestamp !== null && maxInitialTimestamp !== 0
  const maxInitialIndex = isLimited ? roundHalfEven(maxInitialTimestamp / secondsPerTimestamp) : null
  return [...filters, new ApplyTimestampRules(tokenizer, maxInitialIndex)]
}

function probability(logits: Float32Array, token: number): number {
  return Math.exp(logits[token]! - logSumExp(logits, 0, logits.length))
}
