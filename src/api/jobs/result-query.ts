import Negotiator from 'negotiator'
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import type { Static } from 'typebox'
import { TRANSCRIPT_FORMATS } from '../../transcript/formats.ts'
import type { TranscriptFormat } from '../../transcript/formats.ts'
import { MAX_SUBTITLE_NUMBER, SUBTITLE_OPTIONS } from '../../transcript/subtitle-options.ts'
import type { SubtitleOptions } from '../../transcript/subtitle-options.ts'
import { ApiError } from '../errors/api-error.ts'
import { SEGMENT_FIELDS } from './representation.ts'
import type { Representation } from './representation.ts'

/** What each format is sent as. */
export const MEDIA_TYPES: Readonly<Record<TranscriptFormat, string>> = {
  json: 'application/json',
  txt: 'text/plain',
  srt: 'application/x-subrip',
  vtt: 'text/vtt',
  tsv: 'text/tab-separated-values',
}

const text = { schema: Type.String() }
/** Of routes that send all formats, for the OpenAPI document. */
export const TEXTS = {
  [MEDIA_TYPES.txt]: text,
  [MEDIA_TYPES.srt]: text,
  [MEDIA_TYPES.vtt]: text,
  [MEDIA_TYPES.tsv]: text,
}

/** What may be asked for by `Accept`: SubRip has no registered type, so that others are in use. */
const ACCEPTED: ReadonlyMap<string, TranscriptFormat> = new Map([
  ...TRANSCRIPT_FORMATS.map((format) => [MEDIA_TYPES[format], format] as const),
  ...['application/srt', 'text/srt', 'text/x-subrip', 'text/x-srt'].map((type) => [type, 'srt'] as const),
])

const described = (name: keyof SubtitleOptions, takes: string, example: string) =>
  Type.Optional(
    Type.String({
      description: `${takes}. ${SUBTITLE_OPTIONS[name].meaning} Of srt and vtt; needs a transcript with words.`,
      examples: [example],
    }),
  )
const INTEGER = `An integer from 0 to ${MAX_SUBTITLE_NUMBER}`

/** How cues are cut; other formats take no notice of it, as in the reference. */
export const subtitleFields = {
  max_line_width: described('max_line_width', INTEGER, '42'),
  max_line_count: described('max_line_count', INTEGER, '2'),
  max_words_per_line: described('max_words_per_line', INTEGER, '7'),
  highlight_words: described('highlight_words', 'true or false', 'true'),
}

export const fieldsField = {
  fields: Type.Optional(
    Type.String({
      description:
        'Of JSON: which fields its segments have, such as start,end,text; or with a minus each, which they are to be without, such as ' +
        `-tokens,-words. There are ${SEGMENT_FIELDS.join(', ')}.`,
      examples: ['-tokens'],
    }),
  ),
}

export const formatField = {
  format: Type.Optional(
    Type.String({ description: `${TRANSCRIPT_FORMATS.join(', ')}; without it, what Accept says.`, examples: ['srt'] }),
  ),
}

const Query = Type.Object({ ...subtitleFields, ...fieldsField })
type Query = Static<typeof Query>

/** @throws ApiError 400 naming the parameter of the query */
export function representationOf(format: TranscriptFormat, query: Query): Representation {
  return { format, subtitles: subtitlesOf(query), leftOut: leftOutOf(query.fields) }
}

/** A format by its name, which is its extension. */
export function formatNamed(name: string): TranscriptFormat | undefined {
  return TRANSCRIPT_FORMATS.find((format) => format === name.toLowerCase())
}

/**
 * The format that the query names, else what the client likes best by its `Accept`: JSON where it does not mind; undefined: nothing that there
 * is.
 * @throws ApiError 400 for a name that is none
 */
export function askedFormat(request: FastifyRequest, named: string | undefined): TranscriptFormat | undefined {
  if (named !== undefined) {
    const format = formatNamed(named)
    if (format === undefined) throw wrong('format', TRANSCRIPT_FORMATS.join(', '), named)
    return format
  }
  const type = new Negotiator({ headers: request.headers }).mediaType([...ACCEPTED.keys()])
  return type === undefined ? undefined : ACCEPTED.get(type)
}

function subtitlesOf(query: Query): SubtitleOptions {
  return {
    max_line_width: limitOf('max_line_width', query),
    max_line_count: limitOf('max_line_count', query),
    max_words_per_line: limitOf('max_words_per_line', query),
    highlight_words: flagOf('highlight_words', query),
  }
}

function limitOf(name: Exclude<keyof SubtitleOptions, 'highlight_words'>, query: Query): number | null {
  const given = query[name]
  if (given === undefined) return null
  const number = Number(given)
  if (!/^\d{1,9}$/.test(given) || number > MAX_SUBTITLE_NUMBER) {
    throw wrong(name, `an integer from 0 to ${MAX_SUBTITLE_NUMBER}`, given)
  }
  return number === 0 ? null : number
}

function flagOf(name: 'highlight_words', query: Query): boolean {
  const given = query[name]?.toLowerCase()
  if (given !== undefined && given !== 'true' && given !== 'false') throw wrong(name, 'true or false', given)
  return given === 'true'
}

/** @throws ApiError 400 */
export function leftOutOf(fields: string | undefined): Representation['leftOut'] {
  if (fields === undefined) return []
  const names = fields.split(',').map((name) => name.trim())
  const withMinus = names.filter((name) => name.startsWith('-'))
  const named = new Set(names.map((name) => name.replace(/^-/, '')))
  const known = SEGMENT_FIELDS.filter((name) => named.has(name))
  if (known.length !== named.size || (withMinus.length > 0 && withMinus.length < names.length)) {
    throw wrong('fields', `fields of segments, all or none of them with a minus: ${SEGMENT_FIELDS.join(', ')}`, fields)
  }
  return withMinus.length > 0 ? known : SEGMENT_FIELDS.filter((name) => !named.has(name))
}

function wrong(name: string, takes: string, given: string): ApiError {
  return new ApiError(400, `The query parameter ${name} takes ${takes}; got ${JSON.stringify(given.slice(0, 100))}.`)
}
