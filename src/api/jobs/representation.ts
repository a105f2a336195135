import type { ModelParameters } from '../../contract/recognition-task.ts'
import { TranscriptSchema } from '../../contract/transcript.ts'
import type { Segment, Transcript } from '../../contract/transcript.ts'
import { SUBTITLE_FORMATS, formatTranscript } from '../../transcript/formats.ts'
import type { TranscriptFormat } from '../../transcript/formats.ts'
import { WHOLE_SEGMENTS, setOptions } from '../../transcript/subtitle-options.ts'
import type { SubtitleOptions } from '../../transcript/subtitle-options.ts'
import { ApiError } from '../errors/api-error.ts'

type SegmentField = keyof Segment

export const SEGMENT_FIELDS = Object.keys(TranscriptSchema.properties.segments.items.properties) as SegmentField[]

/** What is made of a stored transcript. */
export interface Representation {
  readonly format: TranscriptFormat
  readonly subtitles: SubtitleOptions
  /** Fields of segments that JSON is to be without, in the schema's order. */
  readonly leftOut: readonly SegmentField[]
}

export const AS_STORED: Representation = { format: 'json', subtitles: WHOLE_SEGMENTS, leftOut: [] }

/** The same for two that give the same; undefined where that is the stored text itself. */
export function representationName({ format, subtitles, leftOut }: Representation): string | undefined {
  if (format === 'json') return leftOut.length === 0 ? undefined : `json without ${leftOut.join(',')}`
  return SUBTITLE_FORMATS.has(format) ? `${format} ${JSON.stringify(subtitles)}` : format
}

/** @throws ApiError 400 where cues are to be cut between words, and the transcript has none */
export function represent(transcript: Transcript, { format, subtitles, leftOut }: Representation): string {
  if (format === 'json') return JSON.stringify(without(transcript, new Set(leftOut)))
  if (SUBTITLE_FORMATS.has(format)) requireWords(transcript, subtitles)
  return formatTranscript(transcript, format, subtitles)
}

function without({ segments, ...transcript }: Transcript, leftOut: ReadonlySet<string>): Transcript {
  const kept = segments.map((segment) => {
    const fields = Object.entries(segment).filter(([name]) => !leftOut.has(name))
    return Object.fromEntries(fields) as Segment
  })
  return { ...transcript, segments: kept }
}

function requireWords({ segments: [first] }: Transcript, subtitles: SubtitleOptions): void {
  const [option] = setOptions(subtitles)
  if (option === undefined || first === undefined || first.words !== undefined) return
  throw needsWords(option)
}

/**
 * The same before a recording is transcribed.
 * @param parameters the model's; families that know no `word_timestamps` may give words or none, so that the transcript has to say
 * @throws ApiError 400
 */
export function requireWordTimes({ format, subtitles }: Representation, parameters: ModelParameters): void {
  const [option] = SUBTITLE_FORMATS.has(format) ? setOptions(subtitles) : []
  if (option !== undefined && parameters['word_timestamps'] === false) throw needsWords(option)
}

function needsWords(option: keyof SubtitleOptions): ApiError {
  return new ApiError(
    400,
    `${option} needs the times of words, which this transcript does not have. Submit with "word_timestamps": true in input, or leave it out.`,
  )
}
