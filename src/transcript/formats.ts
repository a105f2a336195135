import type { Transcript } from '../contract/transcript.ts'
import { stripped } from './blanks.ts'
import { cuesOf } from './cues.ts'
import { pythonJson } from './python-json.ts'
import { WHOLE_SEGMENTS } from './subtitle-options.ts'
import type { SubtitleOptions } from './subtitle-options.ts'
import { clock, milliseconds } from './timestamps.ts'

/** Each is its files' extension as well. */
export const TRANSCRIPT_FORMATS = ['json', 'txt', 'srt', 'vtt', 'tsv'] as const
export type TranscriptFormat = (typeof TRANSCRIPT_FORMATS)[number]

/** Those that are made of cues, and so take options. */
export const SUBTITLE_FORMATS: ReadonlySet<TranscriptFormat> = new Set(['srt', 'vtt'])

/** A transcript as the content of a file, as the writer of this name in the reference has it; `cuesOf` says where subtitles differ. */
export function formatTranscript(
  transcript: Transcript,
  format: TranscriptFormat,
  options: SubtitleOptions = WHOLE_SEGMENTS,
): string {
  switch (format) {
    case 'json':
      return json(transcript)
    case 'txt':
      return transcript.segments.map(({ text }) => `${stripped(text)}\n`).join('')
    case 'srt':
      return subRip(transcript, options)
    case 'vtt':
      return webVtt(transcript, options)
    case 'tsv':
      return tabSeparated(transcript)
  }
}

/** The reference's fields first, in its order. */
function json({ text, segments, language, ...others }: Transcript): string {
  return pythonJson({ text, segments, language, ...others })
}

function subRip(transcript: Transcript, options: SubtitleOptions): string {
  const at = (ms: number): string => clock(ms, { alwaysHours: true, mark: ',' })
  return cuesOf(transcript, options)
    .map(({ startMs, endMs, text }, index) => `${index + 1}\n${at(startMs)} --> ${at(endMs)}\n${text}\n\n`)
    .join('')
}

/** Without escapes, as the reference: `&` and `<` of a transcript stay, and a player may take `<i>` for what it looks like. */
function webVtt(transcript: Transcript, options: SubtitleOptions): string {
  const at = (ms: number): string => clock(ms, { alwaysHours: false, mark: '.' })
  const cues = cuesOf(transcript, options).map(
    ({ startMs, endMs, text }) => `${at(startMs)} --> ${at(endMs)}\n${text}\n\n`,
  )
  return `WEBVTT\n\n${cues.join('')}`
}

/** The segments' own times, whatever they are, as JSON has them. */
function tabSeparated({ segments }: Transcript): string {
  const rows = segments.map(
    ({ start, end, text }) => `${milliseconds(start)}\t${milliseconds(end)}\t${stripped(text).replaceAll('\t', ' ')}\n`,
  )
  return `start\tend\ttext\n${rows.join('')}`
}
