import { WINDOW_FRAMES } from './audio/features.ts'
import type { AudioFeatures } from './audio/features.ts'
import { timeWords } from './alignment/word-timestamps.ts'
import { clipsOf } from './clips.ts'
import type { DecodingOptions } from './decoding/decode.ts'
import { detectLanguage } from './decoding/detect-language.ts'
import { EngineError } from './errors.ts'
import { decodeWithFallback, isSilence } from './fallback.ts'
import type { Slot } from './inference/slot.ts'
import type { WhisperModel } from './model.ts'
import type { TranscribeOptions } from './options.ts'
import { PromptHistory } from './prompt-history.ts'
import type { Segment, Transcription } from './result.ts'
import { FRAMES_PER_SECOND, cleared, segmentWindow } from './segments.ts'

/** What was decoded above this temperature does not prompt the next window. */
const PROMPT_RESET_TEMPERATURE = 0.5

export interface TranscribeControl {
  readonly signal?: AbortSignal
  /** Is waited for before each window; what it gives is disposed of behind it. */
  readonly enterWindow?: () => Promise<Disposable>
  readonly onProgress?: (progress: { readonly seconds: number; readonly totalSeconds: number }) => void
}

/**
 * Transcribes a recording of any length, window by window: the reference's `transcribe()`.
 * @throws EngineError `checkpoint.unsupported` when the checkpoint does not know the language or the task; `input.invalid` when it
 *   does not know a suppressed token, or the prefix leaves no room
 * @throws the signal's reason
 */
export async function transcribe(
  model: WhisperModel,
  features: AudioFeatures,
  options: TranscribeOptions,
  { signal, enterWindow, onProgress }: TranscribeControl = {},
): Promise<Transcription> {
  const { tokenizer, dimensions } = model
  using slot = model.slot()
  const language = options.language ?? (await detect(model, slot, features))
  requireKnown(model, language, options)
  const initialPrompt = options.initialPrompt === null ? [] : tokenizer.encode(` ${options.initialPrompt.trim()}`)
  const history = new PromptHistory(initialPrompt, {
    carriesInitial: options.carryInitialPrompt,
    capacity: Math.floor(dimensions.nTextCtx / 2) - 1,
  })
  const decoding = {
    ...options,
    language,
    prefix: options.prefix === null ? [] : tokenizer.encode(` ${options.prefix.trim()}`),
  } satisfies Partial<DecodingOptions>

  const segments: Segment[] = []
  let lastSpeech = 0

  /** Adds a window's segments; says where the next one begins. */
  const transcribeWindow = async (seek: number, frames: number): Promise<number> => {
    await slot.encode(await features.window(seek, frames))
    const result = await decodeWithFallback(model, slot, { ...decoding, prompt: history.prompt, seek }, options, signal)
    if (isSilence(result, options)) return seek + frames
    const cut = segmentWindow(model, result, seek, frames)
    const { contentFrames } = features
    const { task, words } = options
    const timed =
      words === null
        ? { ...cut, lastSpeech, isDropped: false }
        : await timeWords(cut, {
            model,
            slot,
            language,
            task,
            seek,
            frames,
            contentFrames,
            lastSpeech,
            options: words,
          })
    // Nothing that is sampled or timed may keep the same window coming for ever.
    const next = timed.next > seek ? timed.next : seek + frames
    if (timed.isDropped) return next
    ;({ lastSpeech } = timed)
    for (const segment of timed.segments.map(cleared)) {
      segments.push({ id: segments.length, ...segment })
      history.append(segment.tokens)
    }
    if (!options.conditionOnPreviousText || result.temperature > PROMPT_RESET_TEMPERATURE) history.reset()
    return next
  }

  for (const clip of clipsOf(options.clipTimestamps, features.contentFrames)) {
    for (let seek = clip.start; seek < clip.end;) {
      using _ = await enterWindow?.()
      signal?.throwIfAborted()
      seek = await transcribeWindow(seek, Math.min(WINDOW_FRAMES, clip.end - seek))
      onProgress?.({
        seconds: Math.min(seek, features.contentFrames) / FRAMES_PER_SECOND,
        totalSeconds: features.durationSeconds,
      })
    }
  }
  return { text: tokenizer.decode(history.transcribed), language, duration: features.durationSeconds, segments }
}

async function detect(model: WhisperModel, slot: Slot, features: AudioFeatures): Promise<string> {
  if (!model.isMultilingual) return 'en'
  await slot.encode(await features.firstWindow())
  const [first] = await detectLanguage(model, slot)
  return first?.language ?? 'en'
}

function requireKnown(model: WhisperModel, language: string, { task, suppressTokens }: TranscribeOptions): void {
  const isKnown = model.isMultilingual ? model.tokenizer.languages.has(language) : language === 'en'
  if (!isKnown) throw new EngineError('checkpoint.unsupported', `The model does not know the language ${language}.`)
  if (task === 'translate' && !model.isMultilingual) {
    throw new EngineError('checkpoint.unsupported', 'The model knows English only and can’t translate.')
  }
  const { nVocab } = model.dimensions
  const strange = suppressTokens.find((token) => token >= nVocab)
  if (strange !== undefined) {
    throw new EngineError(
      'input.invalid',
      `input.suppress_tokens names the token ${strange}; the model’s tokens go from 0 to ${nVocab - 1}.`,
    )
  }
}
