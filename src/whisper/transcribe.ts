import { WINDOW_FRAMES } from './audio/features.ts'
import type { AudioFeatures } from './audio/features.ts'
import { HOP_LENGTH, SAMPLE_RATE } from './audio/log-mel.ts'
import { decode } from './decoding/decode.ts'
import type { DecodingResult } from './decoding/decode.ts'
import { detectLanguage } from './decoding/detect-language.ts'
import { EngineError } from './errors.ts'
import type { WhisperModel } from './model.ts'
import type { Segment, Transcription } from './result.ts'
import { segmentWindow } from './segments.ts'
import type { TokenSpan } from './segments.ts'
import type { Task } from './tokenizer/tokenizer.ts'

const FRAMES_PER_SECOND = SAMPLE_RATE / HOP_LENGTH

/** What the engine honours of the reference's parameters. */
export interface TranscribeOptions {
  readonly task: Task
  /** Code of the language; null: detected over the first 30 s. */
  readonly language: string | null
  /** Probability of silence above which a window is skipped; null: none is. */
  readonly noSpeechThreshold: number | null
  /** A window with an average log-probability above this is not silence; null: the probability of silence alone decides. */
  readonly logprobThreshold: number | null
  /** Whether the text so far prompts the next window. */
  readonly conditionOnPreviousText: boolean
  /** Text that prompts the first window; null: none. */
  readonly initialPrompt: string | null
  /** Token ids, −1 for the non-speech symbols; empty: none. */
  readonly suppressTokens: readonly number[]
}

export interface TranscribeControl {
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: { readonly seconds: number; readonly totalSeconds: number }) => void
}

/**
 * Transcribes a recording of any length, window by window: the reference's `transcribe()`, greedily at temperature 0.
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
    const { task, suppressTokens } = options
    const prompt = allTokens.slice(promptFrom)
    const result = await decode(model, window, { task, language, prompt, suppressTokens }, signal)
    if (isSilence(result, options)) {
      seek += frames
    } else {
      const { spans, advance } = segmentWindow(result.tokens, { ...shape, frames })
      for (const span of spans) {
        const segment = segmentOf(model, span, { id: segments.length, seek, result })
        segments.push(segment)
        allTokens.push(...segment.tokens)
      }
      if (!options.conditionOnPreviousText) promptFrom = allTokens.length
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
    temperature: 0,
    avg_logprob: result.avgLogprob,
    compression_ratio: result.compressionRatio,
    no_speech_prob: result.noSpeechProb,
  }
}
