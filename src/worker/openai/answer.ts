import Type from 'typebox'
import type { Static } from 'typebox'
import { Check } from 'typebox/value'
import type { Transcript } from '../../contract/transcript.ts'
import type { Family } from '../../models/family.ts'
import { compressionRatio } from '../../transcript/compression-ratio.ts'
import { qualityOf } from '../../transcript/quality.ts'
import { RemoteError, badAnswer } from './errors.ts'
import type { Honoured } from './honoured.ts'

type Segment = Transcript['segments'][number]
type Word = NonNullable<Segment['words']>[number]

const maybe = <Schema extends Type.TSchema>(schema: Schema) => Type.Optional(Type.Union([schema, Type.Null()]))

const AnswerWord = Type.Object({
  word: Type.String(),
  start: Type.Number(),
  end: Type.Number(),
  probability: maybe(Type.Number()),
})

const AnswerSegment = Type.Object({
  start: Type.Number(),
  end: Type.Number(),
  text: Type.String(),
  seek: maybe(Type.Number()),
  tokens: maybe(Type.Array(Type.Integer())),
  temperature: maybe(Type.Number()),
  avg_logprob: maybe(Type.Number()),
  compression_ratio: maybe(Type.Number()),
  no_speech_prob: maybe(Type.Number()),
  words: maybe(Type.Array(AnswerWord)),
})

/** `verbose_json`, or as much of it as a server gives: only the text is everywhere. */
const Answer = Type.Object({
  text: Type.String(),
  language: maybe(Type.String()),
  /** vLLM gives it as a string. */
  duration: maybe(Type.Union([Type.Number(), Type.String()])),
  segments: maybe(Type.Array(AnswerSegment)),
  words: maybe(Type.Array(AnswerWord)),
  usage: maybe(Type.Object({ seconds: maybe(Type.Number()) })),
})
type Answer = Static<typeof Answer>
type AnswerSegment = Static<typeof AnswerSegment>
type AnswerWord = Static<typeof AnswerWord>

/** ISO 639's code for a language that is not known. */
const UNDETERMINED = 'und'

/**
 * A server's answer as a transcript of ours. What it leaves out counts as nothing known against the text: log-probability 0, no
 * probability of silence, words of probability 1.
 * @throws RemoteError `engine.bad_answer`; `input.unsupported` where words were asked for and there are none
 */
export function transcriptOf(
  answer: unknown,
  asked: Honoured,
  { languageCode }: Pick<Family, 'languageCode'>,
): Transcript {
  if (!Check(Answer, answer)) throw badAnswer('is no transcript in the form of OpenAI’s API')
  const duration = durationOf(answer)
  const segments = segmentsOf(answer, duration)
  const words = asked.word_timestamps === true ? wordsOf(answer, segments) : undefined
  return {
    text: answer.text,
    language: asked.language ?? languageCode(answer.language ?? '') ?? UNDETERMINED,
    duration,
    segments: segments.map((segment, id) => ({ ...segmentOf(segment, id, asked), ...wordsAt(words, id) })),
  }
}

function durationOf({ duration, usage, segments, words }: Answer): number {
  const said = Number(duration ?? usage?.seconds ?? Number.NaN)
  if (Number.isFinite(said) && said >= 0) return said
  return segments?.at(-1)?.end ?? words?.at(-1)?.end ?? 0
}

/** Text without segments is one of the whole recording. */
function segmentsOf({ text, segments, words }: Answer, duration: number): readonly AnswerSegment[] {
  if (segments && segments.length > 0) return segments
  if (text.trim() === '') return []
  return [{ text, start: words?.at(0)?.start ?? 0, end: words?.at(-1)?.end ?? duration }]
}

function segmentOf(segment: AnswerSegment, id: number, asked: Honoured): Segment {
  const { start, end, text } = segment
  const temperature = segment.temperature ?? asked.temperature ?? 0
  const avgLogprob = segment.avg_logprob ?? 0
  const ratio = segment.compression_ratio ?? compressionRatio(text)
  const noSpeechProb = segment.no_speech_prob ?? 0
  const tokens = segment.tokens ?? []
  return {
    id,
    seek: Math.round(segment.seek ?? start * 100),
    start,
    end,
    text,
    tokens,
    temperature,
    avg_logprob: avgLogprob,
    compression_ratio: ratio,
    no_speech_prob: noSpeechProb,
    quality: qualityOf({ avgLogprob, noSpeechProb, compressionRatio: ratio }),
  }
}

/** The words of each segment. OpenAI's API has them in one list beside the segments, other servers within these. */
function wordsOf(answer: Answer, segments: readonly AnswerSegment[]): readonly Word[][] {
  const bySegment = segments.map(({ words }): Word[] => (words ?? []).map(wordOf))
  if (bySegment.every((words) => words.length === 0)) {
    let at = 0
    for (const word of answer.words ?? []) {
      const middle = (word.start + word.end) / 2
      while ((segments[at + 1]?.start ?? Number.POSITIVE_INFINITY) <= middle) at += 1
      bySegment[at]?.push(wordOf(word))
    }
  }
  if (answer.text.trim() !== '' && bySegment.every((words) => words.length === 0)) {
    throw new RemoteError(
      'input.unsupported',
      'The transcription server behind this service does not give the times of words. Leave out input.word_timestamps.',
    )
  }
  return bySegment
}

function wordOf({ word, start, end, probability }: AnswerWord): Word {
  return { word, start, end, probability: probability ?? 1 }
}

function wordsAt(words: readonly Word[][] | undefined, id: number): { words?: Word[] } {
  return words === undefined ? {} : { words: words[id] ?? [] }
}
