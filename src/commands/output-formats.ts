import { InvalidArgumentError, Option } from 'commander'
import type { Command } from 'commander'
import { TRANSCRIPT_FORMATS } from '../transcript/formats.ts'
import type { TranscriptFormat } from '../transcript/formats.ts'
import { MAX_SUBTITLE_NUMBER, SUBTITLE_OPTIONS, ineffective, setOptions } from '../transcript/subtitle-options.ts'
import type { SubtitleOptions } from '../transcript/subtitle-options.ts'

const ALL = 'all'
/** As the reference's files are called, and a name that this command line had for them before. */
const NAMES: ReadonlyMap<string, TranscriptFormat> = new Map([
  ...TRANSCRIPT_FORMATS.map((format) => [format, format] as const),
  ['text', 'txt'],
])

/** Commander's options of a command that writes transcripts. */
export interface OutputFlags {
  readonly outputFormat: readonly TranscriptFormat[]
  readonly outputDir?: string
  readonly maxLineWidth?: number
  readonly maxLineCount?: number
  readonly maxWordsPerLine?: number
  readonly highlightWords?: boolean
}

/** Gives a command the flags that say what is written, and where. */
export function addOutputOptions(command: Command): void {
  const format = new Option(
    '--output-format <format,…>',
    `what is written: ${TRANSCRIPT_FORMATS.join(', ')}, or ${ALL}`,
  )
  command.addOption(format.default(['txt'], 'txt').argParser(formatsOf))
  command.option('--output-dir <folder>', 'write files for each recording into this folder instead of printing')
  for (const [name, { unit, meaning }] of Object.entries(SUBTITLE_OPTIONS)) {
    const flag = `--${name.replaceAll('_', '-')} <${unit}>`
    const option = new Option(flag, `${meaning.replaceAll('`', '')} Of srt and vtt; needs --word-timestamps true.`)
    command.addOption(option.argParser<number | boolean>(name === 'highlight_words' ? booleanOf : numberOf))
  }
}

/**
 * How cues are cut, and what is to be said about it.
 * @param parameters the model's, which say whether there will be words
 * @throws InvalidArgumentError for what contradicts itself
 */
export function subtitleOptions(
  flags: OutputFlags,
  parameters: Readonly<Record<string, unknown>>,
): { readonly options: SubtitleOptions; readonly warnings: readonly string[] } {
  if (flags.outputFormat.length > 1 && flags.outputDir === undefined) {
    throw new InvalidArgumentError('Several formats need --output-dir: they are files beside each other.')
  }
  const options: SubtitleOptions = {
    max_line_width: limitOf(flags.maxLineWidth),
    max_line_count: limitOf(flags.maxLineCount),
    max_words_per_line: limitOf(flags.maxWordsPerLine),
    highlight_words: flags.highlightWords ?? false,
  }
  const [first] = setOptions(options)
  // Families that know no such parameter may give words or none; then the transcript says.
  if (first !== undefined && parameters['word_timestamps'] === false) {
    throw new InvalidArgumentError(`${flagOf(first)} needs --word-timestamps true: cues are cut between words.`)
  }
  const warnings = ineffective(options).map(
    ([name, why]) => `${flagOf(name)} has no effect ${why.replaceAll(/max_\w+/g, flagOf)}`,
  )
  return { options, warnings }
}

function flagOf(name: string): string {
  return `--${name.replaceAll('_', '-')}`
}

function formatsOf(text: string): readonly TranscriptFormat[] {
  const names = text.split(',').map((name) => name.trim().toLowerCase())
  const formats = names.flatMap((name) => (name === ALL ? TRANSCRIPT_FORMATS : [formatOf(name)]))
  return [...new Set(formats)]
}

function formatOf(name: string): TranscriptFormat {
  const format = NAMES.get(name)
  if (format !== undefined) return format
  throw new InvalidArgumentError(`It takes ${TRANSCRIPT_FORMATS.join(', ')} or ${ALL}, or several with commas between.`)
}

/** As in the reference, 0 is as if it had not been given. */
function limitOf(given: number | undefined): number | null {
  return given === undefined || given === 0 ? null : given
}

function numberOf(text: string): number {
  const number = Number(text)
  if (text.trim() === '' || !Number.isInteger(number) || number < 0 || number > MAX_SUBTITLE_NUMBER) {
    throw new InvalidArgumentError(`It takes an integer from 0 to ${MAX_SUBTITLE_NUMBER}.`)
  }
  return number
}

/** The reference's command line takes `True`. */
function booleanOf(text: string): boolean {
  const isTrue = text.toLowerCase() === 'true'
  if (!isTrue && text.toLowerCase() !== 'false') throw new InvalidArgumentError('It takes true or false.')
  return isTrue
}
