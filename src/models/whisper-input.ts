import Type from 'typebox'
import type { Static } from 'typebox'
import { Check, Default } from 'typebox/value'
import type { ModelDescription } from './catalogue.ts'
import { InputError } from './errors.ts'
import { languageCode } from './languages.ts'

const nullable = <Schema extends Type.TSchema>(schema: Schema, options: Type.TSchemaOptions) =>
  Type.Union([schema, Type.Null()], options)

/** The model parameters of a request, with the reference implementation's names, defaults and meaning. */
export const WhisperInputSchema = Type.Object(
  {
    task: Type.Enum(['transcribe', 'translate'], {
      default: 'transcribe',
      description: 'transcribe, or translate into English.',
    }),
    language: nullable(Type.String(), {
      default: null,
      description: 'Code or English name of the spoken language; null: detected over the first 30 s.',
    }),
    temperature: Type.Number({ minimum: 0, maximum: 1, default: 0, description: 'Temperature that is tried first.' }),
    temperature_increment_on_fallback: nullable(Type.Number({ exclusiveMinimum: 0, maximum: 1 }), {
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
    suppress_tokens: nullable(
      Type.String({ maxLength: 10_000, pattern: '^(\\s*-?\\d{1,7}\\s*(,\\s*-?\\d{1,7}\\s*)*)?$' }),
      {
        default: '-1',
        description: 'Token ids, separated by commas, that are never sampled; -1 stands for the non-speech symbols.',
      },
    ),
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
  },
  { additionalProperties: false, description: 'Parameters of a Whisper model.' },
)

export type WhisperInput = Static<typeof WhisperInputSchema>
type ParameterName = keyof WhisperInput

const NAMES = Object.keys(WhisperInputSchema.properties) as readonly ParameterName[]

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
  for (const name of NAMES) {
    if (given[name] === undefined || Check(WhisperInputSchema.properties[name], given[name])) continue
    throw invalid(`input.${name} must be ${takes(name)}; got ${shown(given[name])}`)
  }
  const complete: unknown = Default(WhisperInputSchema, structuredClone(given))
  const input = readWhisperInput(complete)
  requireConsistent(input)
  return { ...input, language: checkedLanguage(input, model) }
}

/** An input that was parsed and stored before. */
export function readWhisperInput(value: unknown): WhisperInput {
  if (!Check(WhisperInputSchema, value)) throw invalid('the stored input does not fit this version')
  return value
}

export interface ParameterDescription {
  readonly name: ParameterName
  readonly type: 'string' | 'number' | 'integer' | 'boolean'
  readonly isNullable: boolean
  readonly default: unknown
  readonly description: string
  readonly minimum?: number
  readonly maximum?: number
  readonly values?: readonly string[]
}

/** The parameters with their types, ranges and defaults, for people and programs that list them. */
export function describeParameters(): readonly ParameterDescription[] {
  return NAMES.map((name) => {
    const schema = facts(WhisperInputSchema.properties[name])
    const { isNullable, plain } = withoutNull(schema)
    const minimum = plain.minimum ?? plain.exclusiveMinimum
    return {
      name,
      type: plain.type ?? 'string',
      isNullable,
      default: schema.default,
      description: schema.description ?? '',
      ...(minimum === undefined ? {} : { minimum }),
      ...(plain.maximum === undefined ? {} : { maximum: plain.maximum }),
      ...(plain.enum === undefined ? {} : { values: plain.enum }),
    }
  })
}

/** What of JSON Schema the parameters' schemas use. */
interface SchemaFacts {
  readonly type?: 'string' | 'number' | 'integer' | 'boolean'
  readonly anyOf?: readonly SchemaFacts[]
  readonly enum?: readonly string[]
  readonly default?: unknown
  readonly description?: string
  readonly minimum?: number
  readonly exclusiveMinimum?: number
  readonly maximum?: number
  readonly maxLength?: number
  readonly pattern?: string
}

function facts(schema: Type.TSchema): SchemaFacts {
  return schema as SchemaFacts
}

function withoutNull(schema: SchemaFacts): { readonly isNullable: boolean; readonly plain: SchemaFacts } {
  const plain = schema.anyOf?.filter((option) => (option.type as string | undefined) !== 'null')
  const isNullable = plain !== undefined && plain.length < (schema.anyOf?.length ?? 0)
  return { isNullable, plain: isNullable ? (plain[0] ?? schema) : schema }
}

const ARTICLES = { string: 'a string', number: 'a number', integer: 'an integer', boolean: 'true or false' } as const

function takes(name: ParameterName): string {
  const { isNullable, plain } = withoutNull(facts(WhisperInputSchema.properties[name]))
  const { minimum, exclusiveMinimum, maximum, maxLength, pattern } = plain
  const values = plain.enum?.map((value) => JSON.stringify(value)).join(' or ')
  const range =
    minimum !== undefined
      ? ` from ${minimum} to ${maximum}`
      : exclusiveMinimum !== undefined
        ? ` above ${exclusiveMinimum} and up to ${maximum}`
        : ''
  const text = pattern !== undefined ? ' of token ids separated by commas, such as "-1"' : ''
  const length = maxLength === undefined ? '' : ` of at most ${maxLength} characters`
  const base = values ?? `${ARTICLES[plain.type ?? 'string']}${text}${range}${length}`
  return isNullable ? `${base}, or null` : base
}

function requireConsistent(input: WhisperInput): void {
  if (input.patience !== null && input.beam_size === null) {
    throw invalid(`input.patience needs input.beam_size; got patience ${input.patience} alone`)
  }
}

function checkedLanguage(input: WhisperInput, model: ModelDescription): string | null {
  const { language, task } = input
  const code = language === null ? null : languageCode(language)
  if (code === undefined) {
    throw invalid(`input.language must be the code or English name of a language, such as "en"; got ${shown(language)}`)
  }
  if (!model.isMultilingual && (task === 'translate' || (code ?? 'en') !== 'en')) {
    const got = task === 'translate' ? 'task "translate"' : `language ${shown(language)}`
    throw invalid(`the model ${model.id} knows English only; got ${got}`)
  }
  if (code !== null && model.languages !== null && !model.languages.includes(code)) {
    throw invalid(`the model ${model.id} does not know the language ${shown(language)}`)
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
