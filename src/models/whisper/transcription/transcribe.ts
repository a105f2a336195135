import { WINDOW_FRAMES } from '../../../speech/audio/features.ts'
import type { AudioFeatures } from '../../../speech/audio/features.ts'
import { passageOf } from '../../../contract/transcript.ts'
import type { Passage } from '../../../contract/transcript.ts'
import { timeWords } from '../alignment/word-timestamps.ts'
import { ClipProgress } from './clip-progress.ts'
import { clipsOf } from './clips.ts'
import type { Clip } from './clips.ts'
import { DecodingBudget } from './decoding-budget.ts'
import type { DecodingOptions } from '../decoding/decoding-options.ts'
import { detectLanguage } from '../decoding/detect-language.ts'
import { EngineError } from '../../../speech/errors.ts'
import { decodeWithFallback, isSilence } from './fallback.ts'
import type { Slot } from '../inference/slot.ts'
import type { WhisperModel } from '../model.ts'
import type { TranscribeOptions } from '../parameters/options.ts'
import { PromptHistory } from './prompt-history.ts'
import type { WhisperTranscript } from './whisper-transcript.ts'
import { FRAMES_PER_SECOND } from '../frames.ts'
import { cleared, segmentWindow } from './segments.ts'
import { recordOf, fingerprintOf, windowOf } from '../resume/window-record.ts'
import type { DecodedWindow, WindowRecord } from '../resume/window-record.ts'

/** What was decoded above this temperature does not prompt the next window. */
const PROMPT_RESET_TEMPERATURE = 0.5

export interface TranscribeControl {
  readonly signal?: AbortSignal
  /** Is waited for before each window; what it gives is disposed of behind it. */
  readonly enterWindow?: () => Promise<Disposable>
  readonly onProgress?: (progress: { readonly seconds: number; readonly totalSeconds: number }) => void
  /** Is given each window as soon as it is finished, and what it adds to the transcript. */
  readonly onWindow?: (record: WindowRecord, passage: Passage, tookMs: number) => void
  /**
   * What `onWindow` was given before the transcription broke off, in the same order. These windows are not decoded again, and the result
   * is that of an undisturbed run; in integers, whose rounding depends on what is decoded together, it may differ as two runs do. From
   * the first one on that does not fit, be it of another model, of other options or behind a gap, they are left out.
   */
  readonly resumeFrom?: readonly WindowRecord[]
}

/**
 * Transcribes a recording of any length, window by window: the reference's `transcribe()`.
 * @throws EngineError `checkpoint.unsupported` when the model does not know the language or the task; `input.invalid` when it
 *   does not know a suppressed token, or the prefix leaves no room; `job.over_budget` when it takes far more than recordings do
 * @throws the signal's reason
 */
export async function transcribe(
  model: WhisperModel,
  features: AudioFeatures,
  options: TranscribeOptions,
  control: TranscribeControl = {},
): Promise<WhisperTranscript> {
  const { tokenizer } = model
  const fingerprint = fingerprintOf(model, features, options)
  const clips = clipsOf(options.clipTimestamps, features.contentFrames)
  const budget = new DecodingBudget(features.contentFrames)
  budget.requireRoomFor(clips)
  const progress = new ClipProgress(clips)
  const kept = takeUp(control.resumeFrom ?? [], fingerprint, progress)
  for (const _ of kept) budget.spend()
  using slot = model.slot()
  const language = options.language ?? kept[0]?.language ?? (await detect(model, slot, features))
  requireKnown(model, language, options)

  const prefix = options.prefix === null ? [] : tokenizer.encode(` ${options.prefix.trim()}`)
  const decoding = { ...options, language, prefix }
  const context = { model, features, options, decoding, control, fingerprint, progress, budget }
  await followAll(context, slot, kept.map(windowOf))
  const { segments } = progress
  const text = tokenizer.decode(segments.flatMap(({ tokens }) => tokens))
  const { durationSeconds: duration, warnings } = features
  return { text, language, duration, segments, ...(warnings.length === 0 ? {} : { warnings: [...warnings] }) }
}

/** The records in front that fit; their windows count as finished. */
function takeUp(
  records: readonly WindowRecord[],
  fingerprint: string,
  progress: ClipProgress,
): readonly WindowRecord[] {
  const strange = records.findIndex((record, ordinal) => {
    const window = windowOf(record)
    const fits = record.fingerprint === fingerprint && record.ordinal === ordinal && progress.isNext(window)
    if (fits) progress.add(window)
    return !fits
  })
  // The run that decoded them has told what they say.
  progress.tell()
  return strange === -1 ? records : records.slice(0, strange)
}

interface Context {
  readonly model: WhisperModel
  readonly features: AudioFeatures
  readonly options: TranscribeOptions
  readonly decoding: Omit<DecodingOptions, 'prompt' | 'seek' | 'temperature'>
  readonly control: TranscribeControl
  readonly fingerprint: string
  readonly progress: ClipProgress
  readonly budget: DecodingBudget
}

/** Windows that follow each other: what one leaves behind for the next. */
interface Strand {
  readonly slot: Slot
  readonly history: PromptHistory
  /** Seconds at which the speech so far ends. */
  lastSpeech: number
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

/**
 * Transcribes what is left of all clips: in one strand, or in as many as there are slots for when clips are independent.
 * @param before the windows that are finished already, in their order. Independent clips pass nothing on, so it does not matter which
 *   strand decoded a finished window.
 */
async function followAll(context: Context, slot: Slot, before: readonly DecodedWindow[]): Promise<void> {
  const { model, options, control, progress } = context
  const stop = new AbortController()
  const signal = AbortSignal.any([stop.signal, ...(control.signal === undefined ? [] : [control.signal])])
  const waiting = [...progress.unfinished]
  const follow = async (strand: Strand): Promise<void> => {
    try {
      for (let clip = waiting.shift(); clip !== undefined; clip = waiting.shift()) {
        await followClip(context, strand, clip, signal)
      }
    } catch (error) {
      // What the others still do is for nobody; a slot can be closed when it reads no more.
      waiting.length = 0
      stop.abort(error)
      throw error
    }
  }
  const first = strandOf(slot, context)
  for (const window of before) leaveBehind(first, window)
  const spare = areIndependent(options) ? model.spareSlots(waiting.length - 1) : []
  const ends = await Promise.allSettled([first, ...spare.map((of) => strandOf(of, context))].map(follow))
  for (const of of spare) of[Symbol.dispose]()
  const failed = ends.find((end) => end.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

function strandOf(slot: Slot, { model, options }: Context): Strand {
  const { initialPrompt, carryInitialPrompt: carriesInitial } = options
  const initial = initialPrompt === null ? [] : model.tokenizer.encode(` ${initialPrompt.trim()}`)
  const capacity = Math.floor(model.dimensions.nTextCtx / 2) - 1
  return { slot, history: new PromptHistory(initial, { carriesInitial, capacity }), lastSpeech: 0 }
}

/** For the windows behind it; the same when it was decoded just now and when it was kept. */
function leaveBehind(strand: Strand, { segments, resetsPrompt, lastSpeech }: DecodedWindow): void {
  strand.lastSpeech = lastSpeech
  for (const { tokens } of segments) strand.history.append(tokens)
  if (resetsPrompt) strand.history.reset()
}

async function followClip(context: Context, strand: Strand, clip: number, signal: AbortSignal): Promise<void> {
  const { features, decoding, control, fingerprint, progress } = context
  for (let rest = progress.rest(clip); rest !== undefined; rest = progress.rest(clip)) {
    using _ = await control.enterWindow?.()
    signal.throwIfAborted()
    const startedMs = performance.now()
    const window = { clip, ...(await transcribeWindow(context, strand, rest, signal)) }
    const ordinal = progress.windows
    progress.add(window)
    leaveBehind(strand, window)
    const seconds = Math.min(progress.furthest, features.contentFrames) / FRAMES_PER_SECOND
    const { language } = decoding
    const told = progress.tell()
    const passage = passageOf(told.segments, told.firstSegment)
    control.onWindow?.(
      recordOf(window, { fingerprint, ordinal, language, seconds }),
      passage,
      performance.now() - startedMs,
    )
    control.onProgress?.({ seconds, totalSeconds: features.durationSeconds })
  }
}

/** @param rest what is left of the clip, whose beginning is the window's */
async function transcribeWindow(
  { model, features, options, decoding, budget }: Context,
  { slot, history, lastSpeech }: Strand,
  { start: seek, end }: Clip,
  signal: AbortSignal,
): Promise<Omit<DecodedWindow, 'clip'>> {
  const frames = Math.min(WINDOW_FRAMES, end - seek)
  await slot.encode(await features.window(seek, frames))
  const control = { budget, signal }
  const result = await decodeWithFallback(model, slot, { ...decoding, prompt: history.prompt, seek }, options, control)
  const nothing = { seek, segments: [], lastSpeech, resetsPrompt: false }
  if (isSilence(result, options)) return { ...nothing, next: seek + frames }
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
  if (timed.isDropped) return { ...nothing, next }
  const resetsPrompt = !options.conditionOnPreviousText || result.temperature > PROMPT_RESET_TEMPERATURE
  return { seek, next, segments: timed.segments.map(cleared), lastSpeech: timed.lastSpeech, resetsPrompt }
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
