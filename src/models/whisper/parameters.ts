import Type from 'typebox'
import type { Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { Check, Default } from 'typebox/value'
import type { ModelDescription } from '../catalogue.ts'
import { InputError } from '../errors.ts'
import { languageCode } from './languages.ts'
import { describeOptions, parameterFacts } from '../parameter-schema.ts'
import type { ParameterFacts } from '../parameter-schema.ts'

const nullable = <Schema extends Type.TSchema>(schema: Schema, options: Type.TSchemaOptions) =>
  Type.Union([schema, Type.Null()], options)

const Temperature = Type.Number({ minimum: 0, maximum: 1 })
const Seconds = Type.Number({ minimum: 0, maximum: 1e7 })
const TokenId = Type.Integer({ minimum: -1, maximum: 9_999_999 })

/** Numbers separated by commas, or nothing. */
const numbersText = (number: string, description: string) =>
  Type.String({ maxLength: 10_000, pattern: `^(\\s*${number}\\s*(,\\s*${number}\\s*)*)?$`, description })

/** The model parameters of a request, with the reference implementation's names, defaults and meaning. */
export const WhisperInputSchema = Type.Object(
  {
    task: Type.Enum(['transcribe', 'translate'], {
      default: 'transcribe',
      description: 'transcribe, or translate into English.',
    }),
    language: nullable(Type.String(), {
      default: null,
      description:
        'The spoken language: its code, a tag such as en-US, or its English name; null, auto or nothing: detected over the first 30 s.',
    }),
    audio_track: Type.Union([Type.Integer({ minimum: 0, maximum: 999 }), Type.Enum(['auto'])], {
      default: 'auto',
      description:
        'Audio track to transcribe, from 0; "auto": the file’s default one, or another one where that is silent or can’t be decoded.',
    }),
    temperature: Type.Union([Temperature, Type.Array(Temperature, { minItems: 1, maxItems: 20 })], {
      default: 0,
      description:
        'Temperature that is tried first; or a list of all that are tried, in turn, and then no increment is added to them.',
    }),
    temperature_increment_on_fallback: nullable(Type.Number({ minimum: 0.01, maximum: 1 }), {
      default: 0.2,
      description: 'A window that failed is decoded again at so much more, up to 1; null: never.',
    }),
    compression_ratio_threshold: nullable(Type.Number({ minimum: 0, maximum: 1000 }), {
      default: 2.4,
      description: 'A window whose text compresses better than this has failed (repetition); null: off.',
    }),
    logprob_threshold: nullable(Type.Number({ minimum: -1000, maximum: 0 }), {
      default: -1,
      description: 'A window whose mean token log-probability is below this has failed; null: off.',
    }),
    no_speech_threshold: nullable(Type.Number({ minimum: 0, maximum: 1 }), {
      default: 0.6,
      description: 'A failed window whose probability of silence is above this is silence; null: off.',
    }),
    condition_on_previous_text: Type.Boolean({
      default: true,
      description: 'Whether the text so far prompts the next window.',
    }),
    initial_prompt: nullable(Type.String({ maxLength: 10_000 }), {
      default: null,
      description: 'Text that prompts the first window, such as names and terms to expect.',
    }),
    carry_initial_prompt: Type.Boolean({
      default: false,
      description: 'Whether initial_prompt comes first in the prompt of every window.',
    }),
    prefix: nullable(Type.String({ maxLength: 1000 }), {
      default: null,
      description: 'Text that the transcript of each window goes on from, without being part of it.',
    }),
    suppress_tokens: Type.Union(
      [
        numbersText('(-1|\\d{1,7})', 'token ids separated by commas, such as "-1"'),
        Type.Array(TokenId, { maxItems: 10_000 }),
        Type.Null(),
      ],
      {
        default: '-1',
        description:
          'Token ids that are never sampled; -1 stands for the non-speech symbols, an empty string for none.',
      },
    ),
    suppress_blank: Type.Boolean({
      default: true,
      description: 'Whether a window may not begin with a blank or end at once.',
    }),
    without_timestamps: Type.Boolean({
      default: false,
      description: 'Whether text alone is sampled: one segment a window.',
    }),
    max_initial_timestamp: nullable(Type.Number({ minimum: 0, maximum: 30 }), {
      default: 1,
      description: 'Seconds into its window at which the first segment begins at the latest; null or 0: any.',
    }),
    sample_len: nullable(Type.Integer({ minimum: 1, maximum: 448 }), {
      default: null,
      description: 'Tokens that are sampled for a window at most; null: half the context of the model.',
    }),
    beam_size: nullable(Type.Integer({ minimum: 1, maximum: 20 }), {
      default: null,
      description: 'Beams at temperature 0; null: greedy.',
    }),
    patience: nullable(Type.Number({ exclusiveMinimum: 0, maximum: 10 }), {
      default: null,
      description: 'Patience of the beam search; needs beam_size.',
    }),
    best_of: nullable(Type.Integer({ minimum: 1, maximum: 20 }), {
      default: null,
      description: 'Samples at temperatures above 0.',
    }),
    length_penalty: nullable(Type.Number({ minimum: 0, maximum: 1 }), {
      default: null,
      description: 'Exponent of the length penalty that ranks the candidates; null: plain normalisation by the length.',
    }),
    seed: Type.Integer({
      minimum: 0,
      maximum: 4_294_967_295,
      default: 0,
      description: 'Of the samples at temperatures above 0: the same seed gives the same transcript.',
    }),
    clip_timestamps: Type.Union(
      [
        numbersText('\\d{1,7}(\\.\\d{1,9})?', 'seconds separated by commas, such as "10,45.5"'),
        Type.Array(Seconds, { maxItems: 1000 }),
      ],
      {
        default: '0',
        description: 'Parts to transcribe: start,end,start,end,… in seconds; a last end left out is the recording’s.',
      },
    ),
    word_timestamps: Type.Boolean({
      default: false,
      description: 'Whether each word comes with its time and probability.',
    }),
    prepend_punctuations: Type.String({
      maxLength: 200,
      default: '"\'“¿([{-',
      description: 'Punctuation that is merged into the word after it; needs word_timestamps.',
    }),
    append_punctuations: Type.String({
      maxLength: 200,
      default: '"\'.。,，!！?？:：”)]}、',
      description: 'Punctuation that is merged into the word before it; needs word_timestamps.',
    }),
    hallucination_silence_threshold: nullable(Type.Number({ minimum: 0, maximum: 1e7 }), {
      default: null,
      description:
        'Silence of more seconds around words that look made up is skipped; needs word_timestamps; null: off.',
    }),
  },
  { additionalProperties: false, description: 'Parameters of a Whisper model.' },
)

/** As many as a list may have, and the steps of 0.05 from 0 to 1. */
const MOST_TEMPERATURES = 21
/** Of a window, over all its temperatures: as many as the reference's steps have with the most beams and samples, and some more. */
const MOST_SAMPLES = 128

export type WhisperInput = Static<typeof WhisperInputSchema>
type ParameterName = keyof WhisperInput

const NAMES = Object.keys(WhisperInputSchema.properties) as readonly ParameterName[]
const DEFAULTS = Object.freeze(Default(WhisperInputSchema, {}) as WhisperInput)
/** Compiled: each submit is checked, and a check by reading the schema takes as long as the rest of a submit. */
const VALIDATOR = Compile(WhisperInputSchema)

/** How a request gives them: each may be left out. */
export const PartialWhisperInputSchema = Type.Partial(WhisperInputSchema)

/**
 * Validates a request's `input` and fills in the defaults; the language becomes its code.
 * @throws InputError naming the field, what it got and what it takes
 */
export function parseWhisperInput(value: unknown, model: ModelDescription): WhisperInput {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(`input must be an object of model parameters; got ${shown(value)}`)
  }
  const given = value as Readonly<Record<string, unknown>>
  const unknown = Object.keys(given).find((name) => !(NAMES as readonly string[]).includes(name))
  if (unknown !== undefined) {
    throw invalid(`input.${unknown.slice(0, 100)} is not a parameter of this model; it takes ${NAMES.join(', ')}`)
  }
  const input: unknown = { ...DEFAULTS, ...given }
  if (!VALIDATOR.Check(input)) throw wrongParameter(given)
  requireConsistent(input)
  return { ...input, language: checkedLanguage(input, model) }
}

/** An input that was parsed and stored before, perhaps by a version that knew fewer parameters: they get their defaults. */
export function readWhisperInput(value: unknown): WhisperInput {
  const input: unknown = typeof value === 'object' ? { ...DEFAULTS, ...value } : value
  if (!VALIDATOR.Check(input)) throw invalid('the stored input does not fit this version')
  return input
}

function wrongParameter(given: Readonly<Record<string, unknown>>): InputError {
  const name = NAMES.find((each) => each in given && !Check(WhisperInputSchema.properties[each], given[each]))
  if (name === undefined) return invalid('input is not what this model takes')
  return invalid(
    `input.${name} must be ${describeOptions(WhisperInputSchema.properties[name])}; got ${shown(given[name])}`,
  )
}

export interface ParameterDescription extends ParameterFacts {
  readonly name: ParameterName
}

/** The parameters with their types, ranges and defaults, for people and programs that list them. */
export function describeParameters(): readonly ParameterDescription[] {
  return NAMES.map((name) => {
    return { name, ...parameterFacts(WhisperInputSchema.properties[name]) }
  })
}

function requireConsistent(input: WhisperInput): void {
  const { patience, beam_size: beams, temperature, hallucination_silence_threshold: silence } = input
  // Above temperature 0 there are no beams, and the reference drops the patience with them.
  const isSearched = Array.isArray(temperature) ? temperature.includes(0) : temperature === 0
  if (patience !== null && beams === null && isSearched) {
    throw invalid(`input.patience needs input.beam_size; got patience ${patience} alone`)
  }
  if (silence !== null && !input.word_timestamps) {
    throw invalid(
      `input.hallucination_silence_threshold needs input.word_timestamps to be true; got ${silence} and word_timestamps false`,
    )
  }
  requireAffordable(input)
  const seconds = listOf(input.clip_timestamps)
  for (let end = 1; end < seconds.length; end += 2) {
    const start = seconds[end - 1] ?? 0
    if ((seconds[end] ?? 0) > start) continue
    throw invalid(`input.clip_timestamps must give each end after its start; got the end ${seconds[end]} for ${start}`)
  }
}

/** A window that fails at each temperature is decoded at all of them, so many samples at a time. */
function requireAffordable(input: WhisperInput): void {
  const { beam_size: beams, best_of: samples, temperature_increment_on_fallback: increment } = input
  const temperatures = temperaturesOf(input)
  if (temperatures.length > MOST_TEMPERATURES) {
    throw invalid(
      `input.temperature_increment_on_fallback may make ${MOST_TEMPERATURES} temperatures at most; got ${increment}, which makes ` +
        `${temperatures.length}`,
    )
  }
  const most = temperatures.reduce((sum, temperature) => sum + ((temperature === 0 ? beams : samples) ?? 1), 0)
  if (most > MOST_SAMPLES) {
    throw invalid(
      `input.beam_size and input.best_of may make ${MOST_SAMPLES} samples of a window at most, over all its temperatures; got ${most}`,
    )
  }
}

/** A list as it is; else, as in the reference's command line, from the first one up to 1 in steps of the increment. */
export function temperaturesOf({
  temperature: first,
  temperature_increment_on_fallback: increment,
}: Pick<WhisperInput, 'temperature' | 'temperature_increment_on_fallback'>): readonly number[] {
  if (typeof first !== 'number') return first
  if (increment === null) return [first]
  const count = Math.ceil((1 + 1e-6 - first) / increment)
  return Array.from({ length: count }, (_, index) => first + index * increment)
}

/** Numbers as they are given: a list, or a string of them separated by commas. */
export function listOf(numbers: readonly number[] | string | null): readonly number[] {
  if (typeof numbers === 'string') return numbers.trim() === '' ? [] : numbers.split(',').map(Number)
  return numbers ?? []
}

function checkedLanguage(input: WhisperInput, model: ModelDescription): string | null {
  const { language, task } = input
  const code = language === null ? null : languageCode(language)
  if (code === undefined) {
    throw invalid(
      `input.language must be the code or English name of a language, such as "en", "en-US" or "english", or "auto"; got ` +
        shown(language),
    )
  }
  const got = code === language ? shown(code) : `${shown(code)} (from ${shown(language)})`
  if (!model.isMultilingual && (task === 'translate' || (code ?? 'en') !== 'en')) {
    throw invalid(
      `the model ${model.id} knows English only; got ${task === 'translate' ? 'task "translate"' : `language ${got}`}`,
    )
  }
  if (code !== null && model.languages !== null && !model.languages.includes(code)) {
    throw invalid(`the model ${model.id} does not know the language ${got}; it knows ${model.languages.join(', ')}`)
  }
  return code
}

function invalid(message: string): InputError {
  return new InputError(`${message}.`)
}

/** Enough of a value to find it again. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length <= 100 ? text : `${text.slice(0, 100)}…`
}
