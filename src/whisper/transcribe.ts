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
import type { Transcription } from './result.ts'
import { FRAMES_PER_SECOND, cleared, segmentWindow } from './segments.ts'
import type { DraftSegment } from './segments.ts'

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
  const { tokenizer } = model
  using slot = model.slot()
  const language = options.language ?? (await detect(model, slot, features))
  requireKnown(model, language, options)
  const initialPrompt = options.initialPrompt === null ? [] : tokenizer.encode(` ${options.initialPrompt.trim()}`)
  const strand = (of: Slot): Strand => ({
    slot: of,
    history: new PromptHistory(initialPrompt, {
      carriesInitial: options.carryInitialPrompt,
      capacity: Math.floor(model.dimensions.nTextCtx / 2) - 1,
    }),
    lastSpeech: 0,
  })
  const prefix = options.prefix === null ? [] : tokenizer.encode(` ${options.prefix.trim()}`)
  const stop = new AbortController()
  const stopping = AbortSignal.any([stop.signal, ...(signal === undefined ? [] : [signal])])
  const context = { model, features, options, decoding: { ...options, language, prefix }, signal: stopping }

  const clips = clipsOf(options.clipTimestamps, features.contentFrames)
  const segmentsOf: DraftSegment[][] = clips.map(() => [])
  const waiting = [...clips.keys()]
  let doneFrames = 0
  const follow = async (one: Strand): Promise<void> => {
    try {
      await followClips(one)
    } catch (error) {
      // What the others still do is for nobody; a slot can be closed when it reads no more.
      waiting.length = 0
      stop.abort(error)
      throw error
    }
  }
  const followClips = async (one: Strand): Promise<void> => {
    for (let index = waiting.shift(); index !== undefined; index = waiting.shift()) {
      const clip = clips[index] ?? { start: 0, end: 0 }
      for (let seek = clip.start; seek < clip.end;) {
        using _ = await enterWindow?.()
        stopping.throwIfAborted()
        const { segments, next } = await transcribeWindow(context, one, seek, Math.min(WINDOW_FRAMES, clip.end - seek))
        segmentsOf[index]?.push(...segments)
        doneFrames = Math.max(doneFrames, next)
        seek = next
        onProgress?.({
          seconds: Math.min(doneFrames, features.contentFrames) / FRAMES_PER_SECOND,
          totalSeconds: features.durationSeconds,
        })
      }
    }
  }
  const spare = areIndependent(options) ? model.spareSlots(clips.length - 1) : []
  const ends = await Promise.allSettled([slot, ...spare].map((of) => follow(strand(of))))
  for (const of of spare) of[Symbol.dispose]()
  const failed = ends.find((end) => end.status === 'rejected')
  if (failed !== undefined) throw failed.reason
  const segments = segmentsOf.flat().map((segment, id) => ({ id, ...segment }))
  const text = tokenizer.decode(segments.flatMap(({ tokens }) => tokens))
  return { text, language, duration: features.durationSeconds, segments }
}

/** Windows that follow each other: what one leaves behind for the next. */
interface Strand {
  readonly slot: Slot
  readonly history: PromptHistory
  /** Seconds at which the speech so far ends. */
  lastSpeech: number
}

interface Context {
  readonly model: WhisperModel
  readonly features: AudioFeatures
  readonly options: TranscribeOptions
  readonly decoding: Omit<DecodingOptions, 'prompt' | 'seek' | 'temperature'>
  readonly signal: AbortSignal
}

/**
 * Whether no clip's windows depend on another clip's, so that they can be decoded together: nothing prompts them but what prompts all,
 * and words do not look back at the speech before them. The windows of one clip do depend on each other: each begins where the
 * last one's last segment ended.
 */
function areIndependent({
  conditionOnPreviousText,
  words,
  initialPrompt,
  carryInitialPrompt,
}: TranscribeOptions): boolean {
  return !conditionOnPreviousText && words === null && (initialPrompt === null || carryInitialPrompt)
}

/** @returns the window's segments, and where the next one begins */
async function transcribeWindow(
  { model, features, options, decoding, signal }: Context,
  strand: Strand,
  seek: number,
  frames: number,
): Promise<{ readonly segments: readonly DraftSegment[]; readonly next: number }> {
  const { slot, history, lastSpeech } = strand
  await slot.encode(await features.window(seek, frames))
  const result = await decodeWithFallback(model, slot, { ...decoding, prompt: history.prompt, seek }, options, signal)
  if (isSilence(result, options)) return { segments: [], next: seek + frames }
  const cut = segmentWindow(model, result, seek, frames)
  const { contentFrames } = features
  const { language, task } = decoding
  const { words } = options
  const timed =
    words === null
      ? { ...cut, lastSpeech, isDropped: false }
      : await timeWords(cut, { model, slot, language, task, seek, frames, contentFrames, lastSpeech, options: words })
  // Nothing that is sampled or timed may keep the same window coming for ever.
  const next = timed.next > seek ? timed.next : seek + frames
  if (timed.isDropped) return { segments: [], next }
  strand.lastSpeech = timed.lastSpeech
  const segments = timed.segments.map(cleared)
  for (const { tokens } of segments) history.append(tokens)
  if (!options.conditionOnPreviousText || result.temperature > PROMPT_RESET_TEMPERATURE) history.reset()
  return { segments, next }
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
