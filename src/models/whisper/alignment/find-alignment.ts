import { WINDOW_FRAMES } from '../../../speech/audio/features.ts'
import type { Slot } from '../inference/slot.ts'
import type { WhisperModel } from '../model.ts'
import { FRAMES_PER_SECOND } from '../frames.ts'
import type { Task } from '../tokenizer/tokenizer.ts'
import { splitToWords } from '../tokenizer/words.ts'
import { attentionMatrix } from './attention-matrix.ts'
import { dynamicTimeWarping } from './dynamic-time-warping.ts'

/** A word of a window; its fields change while times are corrected and punctuation is merged. */
export interface WordTiming {
  word: string
  tokens: readonly number[]
  /** Seconds from the beginning of the window. */
  start: number
  end: number
  /** Mean probability of its tokens. */
  readonly probability: number
}

export interface AlignmentContext {
  readonly model: WhisperModel
  /** Holds the encoded window. */
  readonly slot: Slot
  readonly language: string
  readonly task: Task
  /** Frames of content in the window. */
  readonly frames: number
}

/**
 * When each word of a window is said: the decoder reads the text once more, without its prompt and its timestamps, and dynamic
 * time warping finds the path along which its tokens look at the audio.
 * @param textTokens of the whole window
 */
export async function findAlignment(
  { model, slot, language, task, frames }: AlignmentContext,
  textTokens: readonly number[],
): Promise<WordTiming[]> {
  if (textTokens.length === 0) return []
  const { tokenizer, dimensions } = model
  const { nAudioCtx, nVocab } = dimensions
  const sot = tokenizer.sotSequence(language, task)
  const tokens = [...sot, tokenizer.noTimestamps, ...textTokens, tokenizer.eot]
  // The row at position p predicts the token at p + 1.
  const { logits, heads } = await slot.align(
    tokens,
    textTokens.map((_, index) => sot.length + index),
  )
  const probabilities = textTokens.map((token, index) =>
    probabilityOf(token, logits.subarray(index * nVocab, index * nVocab + tokenizer.eot)),
  )

  const framesPerPosition = WINDOW_FRAMES / nAudioCtx
  const positions = Math.floor(frames / framesPerPosition)
  const [from, to] = [sot.length, tokens.length - 1]
  const matrix = attentionMatrix(heads, { tokens: tokens.length, stride: nAudioCtx, frames: positions, from, to })
  const jumps = dynamicTimeWarping(
    matrix.map((weight) => -weight),
    to - from,
    positions,
  )
  const secondsOf = (token: number): number => (jumps[token] ?? 0) / (FRAMES_PER_SECOND / framesPerPosition)

  const timings: WordTiming[] = []
  let begin = 0
  // The end of the text is a word of its own, whose beginning is the last word's end; it gets no time itself.
  for (const word of splitToWords(tokenizer, [...textTokens, tokenizer.eot], language).slice(0, -1)) {
    const end = begin + word.tokens.length
    timings.push({
      word: word.text,
      tokens: word.tokens,
      start: secondsOf(begin),
      end: secondsOf(end),
      probability: mean(probabilities.slice(begin, end)),
    })
    begin = end
  }
  return timings
}

/** Of a token, by the softmax over the text tokens. */
function probabilityOf(token: number, logits: Float32Array): number {
  const highest = logits.reduce((one, other) => Math.max(one, other))
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit - highest), 0)
  return Math.exp((logits[token] ?? Number.NaN) - highest) / total
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
