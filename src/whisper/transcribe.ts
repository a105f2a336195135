import { WINDOW_FRAMES } from './audio/features.ts'
import type { AudioFeatures } from './audio/features.ts'
import { HOP_LENGTH, SAMPLE_RATE } from './audio/log-mel.ts'
import { decode } from './decoding/decode.ts'
import type { DecodingResult } from './decoding/decode.ts'
import { detectLanguage } from './decoding/detect-language.ts'
import { EngineError } from './errors.ts'
import type { EncodedWindow, WhisperModel } from './model.ts'
import type { Segment, Transcription } from './result.ts'
import { segmentWindow } from './segments.ts'
import type { TokenSpan } from './segments.ts'
import type { Task } from './tokenizer/tokenizer.ts'

const FRAMES_PER_SECOND = SAMPLE_RATE / HOP_LENGTH
/** What was decoded above this temperature does not prompt the next window. */
const PROMPT_RESET_TEMPERATURE = 0.5

/** What the engine honours of the reference's parameters. */
export interface TranscribeOptions {
  readonly task: Task
  /** Code of the language; null: detected over the first 30 s. */
  readonly language: string | null
  /** Probability of silence above which a window is skipped; null: none is. */
  readonly noSpeechThreshold: number | null
  /**
   * A window whose average log-probability is below this has failed, and one above it is no silence; null: off, and the probability
   * of silence alone decides.
   */
  readonly logprobThreshold: number | null
  /** Whether the text so far prompts the next window. */
  readonly conditionOnPreviousText: boolean
  /** Text that prompts the first window; null: none. */
  readonly initialPrompt: string | null
  /** Token ids, −1 for the non-speech symbols; empty: none. */
  readonly suppressTokens: readonly number[]
  /** Tried one after the other until a window does not fail; at least one. */
  readonly temperatures: readonly number[]
  /** A window whose text compresses better than this has failed; null: off. */
  readonly compressionRatioThreshold: number | null
  readonly beamSize: number | null
  readonly patience: number | null
  readonly bestOf: number | null
  readonly lengthPenalty: number | null
}

export interface TranscribeControl {
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: { readonly seconds: number; readonly totalSeconds: number }) => void
}

/**
 * Transcribes a recording of any length, window by window: the reference's `transcribe()`.
 * @throws EngineError `checkpoint.unsupported` when the checkpoint does not know the language or the task
 * @throws the signal's reason
 */
export async function transcribe(
  model: WhisperModel,
  features: AudioFeatures,
  options: TranscribeOptions,
  { signal, onProgress }: TranscribeControl = {},
): Promise<Transcription> {
  const { tokenizer } = model
  const language = options.language ?? (await detect(model, features))
  requireKnown(model, language, options.task)
  const initialPrompt = options.initialPrompt === null ? [] : tokenizer.encode(` ${options.initialPrompt.trim()}`)
  const shape = {
    timestampBegin: tokenizer.timestampBegin,
    framesPerTimestamp: WINDOW_FRAMES / model.dimensions.nAudioCtx,
    framesPerSecond: FRAMES_PER_SECOND,
  }

  /** Tokens of everything so far, the initial prompt first; from `promptFrom` on they prompt the next window. */
  const allTokens = [...initialPrompt]
  let promptFrom = 0
  const segments: Segment[] = []
  let seek = 0
  while (seek < features.contentFrames) {
    signal?.throwIfAborted()
    const frames = Math.min(WINDOW_FRAMES, features.contentFrames - seek)
    const window = await model.encode(await features.window(seek, frames))
    const result = await decodeWithFallback(
      model,
      window,
      { language, prompt: allTokens.slice(promptFrom) },
      options,
      signal,
    )
    if (isSilence(result, options)) {
      seek += frames
    } else {
      const { spans, advance } = segmentWindow(result.tokens, { ...shape, frames })
      for (const span of spans) {
        const segment = segmentOf(model, span, { id: segments.length, seek, result })
        segments.push(segment)
        allTokens.push(...segment.tokens)
      }
      if (!options.conditionOnPreviousText || result.temperature > PROMPT_RESET_TEMPERATURE)
        promptFrom = allTokens.length
      seek += advance
    }
    onProgress?.({
      seconds: Math.min(seek, features.contentFrames) / FRAMES_PER_SECOND,
      totalSeconds: features.durationSeconds,
    })
  }
  return {
    text: tokenizer.decode(allTokens.slice(initialPrompt.length)),
    language,
    duration: features.durationSeconds,
    segments,
  }
}

/** Decodes at one temperature after the other until the window does not fail; the last one's result stands. */
async function decodeWithFallback(
  model: WhisperModel,
  window: EncodedWindow,
  context: { readonly language: string; readonly prompt: readonly number[] },
  options: TranscribeOptions,
  signal: AbortSignal | undefined,
): Promise<DecodingResult> {
  const [first = 0, ...others] = options.temperatures
  let result = await decode(model, window, { ...options, ...context, temperature: first }, signal)
  for (const temperature of others) {
    if (!hasFailed(result, options)) break
    result = await decode(model, window, { ...options, ...context, temperature }, signal)
  }
  return result
}

/** Too repetitive or too improbable, unless it is silence. */
function hasFailed(result: DecodingResult, options: TranscribeOptions): boolean {
  const { compressionRatioThreshold, logprobThreshold, noSpeechThreshold } = options
  const isImprobable = logprobThreshold !== null && result.avgLogprob < logprobThreshold
  if (isImprobable && noSpeechThreshold !== null && result.noSpeechProb > noSpeechThreshold) return false
  return isImprobable || (compressionRatioThreshold !== null && result.compressionRatio > compressionRatioThreshold)
}

async function detect(model: WhisperModel, features: AudioFeatures): Promise<string> {
  if (!model.isMultilingual) return 'en'
  const [first] = await detectLanguage(model, await model.encode(await features.firstWindow()))
  return first?.language ?? 'en'
}

function requireKnown(model: WhisperModel, language: string, task: Task): void {
  const isKnown = model.isMultilingual ? model.tokenizer.languages.has(language) : language === 'en'
  if (!isKnown) throw new EngineError('checkpoint.unsupported', `The model does not know the language ${language}.`)
  if (task === 'translate' && !model.isMultilingual) {
    throw new EngineError('checkpoint.unsupported', 'The model knows English only and can’t translate.')
  }
}

function isSilence(result: DecodingResult, { noSpeechThreshold, logprobThreshold }: TranscribeOptions): boolean {
  if (noSpeechThreshold === null || result.noSpeechProb <= noSpeechThreshold) return false
  return logprobThreshold === null || result.avgLogprob <= logprobThreshold
}

/** A segment without length or words keeps its place, without text. */
function segmentOf(
  { tokenizer }: WhisperModel,
  span: TokenSpan,
  { id, seek, result }: { readonly id: number; readonly seek: number; readonly result: DecodingResult },
): Segment {
  const offset = seek / FRAMES_PER_SECOND
  const start = offset + span.start
  const end = offset + span.end
  const text = tokenizer.decode(span.tokens.filter((token) => token < tokenizer.eot))
  const isEmpty = start === end || text.trim() === ''
  return {
    id,
    seek,
    start,
    end,
    text: isEmpty ? '' : text,
    tokens: isEmpty ? [] : [...span.tokens],
    temperature: result.temperature,
    avg_logprob: result.avgLogprob,
    compression_ratio: result.compressionRatio,
    no_speech_prob: result.noSpeechProb,
  }
}
