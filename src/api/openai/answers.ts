import type { Segment, Transcript, Word } from '../../contract/transcript.ts'
import { cuesOf } from '../../transcript/cues.ts'
import { formatTranscript } from '../../transcript/formats.ts'
import { WHOLE_SEGMENTS } from '../../transcript/subtitle-options.ts'
import { clock } from '../../transcript/timestamps.ts'
import type { AskedAnswer } from './options.ts'

/** Punctuation that belongs to the words around it in transcripts, and to none in OpenAI's answers. */
const BEFORE = /^[\s"'“¿([{-]+/
const AFTER = /[\s"'.。,，!！?？:：”)\]}、]+$/

type Answered = Pick<AskedAnswer, 'format' | 'granularities' | 'task' | 'family'>

/** The body of an answer, in the format that was asked for. */
export function formatAnswer(transcript: Transcript, asked: Answered): string {
  switch (asked.format) {
    case 'json':
    case 'verbose_json':
      return JSON.stringify(jsonAnswer(transcript, asked))
    case 'text':
      return `${transcript.text.trim()}\n`
    case 'srt':
      return formatTranscript(transcript, 'srt')
    case 'vtt':
      return webVtt(transcript)
  }
}

/** With hours, whether there are any or not, as OpenAI's answers have them and the reference's files have not. */
function webVtt(transcript: Transcript): string {
  const at = (ms: number): string => clock(ms, { alwaysHours: true, mark: '.' })
  const cues = cuesOf(transcript, WHOLE_SEGMENTS)
  return `WEBVTT\n\n${cues.map(({ startMs, endMs, text }) => `${at(startMs)} --> ${at(endMs)}\n${text}\n\n`).join('')}`
}

function jsonAnswer(transcript: Transcript, asked: Answered): object {
  const text = transcript.text.trim()
  const usage = usageOf(transcript)
  if (asked.format !== 'verbose_json') return { text, usage }
  const { task, family, granularities } = asked
  // Of a translation as well: the language of the text is English then.
  const code = task === 'translate' ? 'en' : (transcript.language ?? '')
  return {
    task,
    language: family.languageName(code) ?? code,
    duration: transcript.duration,
    text,
    ...(granularities.has('segment') ? { segments: transcript.segments.map(segmentOf) } : {}),
    ...(granularities.has('word') ? { words: transcript.segments.flatMap(({ words = [] }) => words.map(wordOf)) } : {}),
    usage,
  }
}

/** In whole seconds. */
export function usageOf({ duration }: Transcript): object {
  return { type: 'duration', seconds: Math.ceil(duration) }
}

/** All ten fields that clients require, whatever the model's family has of them. */
function segmentOf(segment: Segment): object {
  return {
    id: segment.id,
    seek: segment.seek ?? 0,
    start: segment.start,
    end: segment.end,
    text: segment.text,
    tokens: segment.tokens ?? [],
    temperature: segment.temperature ?? 0,
    avg_logprob: segment.avg_logprob ?? 0,
    compression_ratio: segment.compression_ratio ?? 1,
    no_speech_prob: segment.no_speech_prob ?? 0,
  }
}

function wordOf({ word, start, end }: Word): object {
  const bare = word.replace(BEFORE, '').replace(AFTER, '')
  return { word: bare === '' ? word.trim() : bare, start, end }
}
