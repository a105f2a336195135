import type { ModelParameters } from '../../contract/recognition-task.ts'
import type { ModelDescription } from '../../models/catalogue.ts'
import { InputError } from '../../models/errors.ts'
import type { Family } from '../../models/family.ts'
import type { ApiContext } from '../context.ts'
import { FieldError } from './errors.ts'
import type { FormFields } from './form-fields.ts'

export const ANSWER_FORMATS = ['json', 'text', 'srt', 'verbose_json', 'vtt'] as const
export type AnswerFormat = (typeof ANSWER_FORMATS)[number]

export const GRANULARITIES = ['word', 'segment'] as const
export type Granularity = (typeof GRANULARITIES)[number]

export type AudioTask = 'transcribe' | 'translate'

/** What a request to OpenAI's routes asks for. */
export interface AskedAnswer {
  readonly model: ModelDescription
  readonly family: Family
  readonly task: AudioTask
  readonly input: ModelParameters
  readonly format: AnswerFormat
  /** What `verbose_json` has beside the text. */
  readonly granularities: ReadonlySet<Granularity>
  readonly isStreamed: boolean
}

/** The longest that a model takes; it reads the last 224 tokens of it. */
const MAX_PROMPT_LENGTH = 10_000
/** Parameters that have fields of their own here. */
const OWN_FIELDS = new Set(['task', 'language', 'temperature', 'initial_prompt', 'word_timestamps'])

/**
 * Reads the fields of a form. Those that OpenAI's API does not have are the model's parameters by their own names, or are passed over.
 * @throws FieldError
 */
export async function readOptions(
  fields: FormFields,
  task: AudioTask,
  { names, familyOf }: Pick<ApiContext, 'names' | 'familyOf'>,
): Promise<AskedAnswer> {
  const model = await modelOf(fields.text('model'), { names })
  const format = formatOf(fields)
  refuseUnsupported(fields)
  const granularities = granularitiesOf(fields)
  const isStreamed = task === 'transcribe' && isTrue('stream', fields.text('stream'))
  const family = await familyOf(model)
  const hasWords = format === 'verbose_json' && granularities.has('word') && !isStreamed
  const input = inputOf(fields, { task, model, family, hasWords })
  return { model, family, task, input, format, granularities, isStreamed }
}

async function modelOf(name: string | undefined, { names }: Pick<ApiContext, 'names'>): Promise<ModelDescription> {
  if (name === undefined) {
    throw new FieldError('you must provide a model parameter: a form field model, such as whisper-1.', {
      param: 'model',
    })
  }
  const model = await names.find(name)
  if (model !== undefined) return model
  throw unknownModel(name)
}

export function unknownModel(name: string): FieldError {
  return new FieldError(
    `The model \`${name.slice(0, 200)}\` does not exist here. GET /v1/models lists those that do.`,
    {
      status: 404,
      param: 'model',
      code: 'model_not_found',
    },
  )
}

function formatOf(fields: FormFields): AnswerFormat {
  const asked = fields.text('response_format')?.trim()
  if (asked === undefined) return 'json'
  const known = ANSWER_FORMATS.find((format) => format === asked)
  if (known !== undefined) return known
  const why =
    asked === 'diarized_json'
      ? 'speakers are not told apart here'
      : `${JSON.stringify(asked.slice(0, 100))} is no format of a transcript`
  throw new FieldError(`response_format takes ${ANSWER_FORMATS.join(', ')}; ${why}.`, {
    param: 'response_format',
    code: 'unsupported_value',
  })
}

/** What would change the answer, and can't be had: an answer without it would be taken for one with it. */
function refuseUnsupported(fields: FormFields): void {
  if (fields.list('include').length > 0) {
    throw new FieldError(
      'include[] takes nothing here: transcripts have no log-probabilities of single tokens. response_format=verbose_json has their mean ' +
        'for each segment (avg_logprob).',
      { param: 'include', code: 'unsupported_value' },
    )
  }
  for (const param of ['known_speaker_names', 'known_speaker_references']) {
    if (!fields.has(param)) continue
    throw new FieldError(`${param} takes nothing here: speakers are not told apart.`, {
      param,
      code: 'unsupported_parameter',
    })
  }
}

/** @throws FieldError */
function granularitiesOf(fields: FormFields): ReadonlySet<Granularity> {
  const asked = fields.list('timestamp_granularities')
  const unknown = asked.find((each) => !GRANULARITIES.some((known) => known === each))
  if (unknown !== undefined) {
    throw new FieldError(
      `timestamp_granularities[] takes word and segment; got ${JSON.stringify(unknown.slice(0, 100))}.`,
      { param: 'timestamp_granularities', code: 'unsupported_value' },
    )
  }
  return new Set(asked.length === 0 ? ['segment'] : GRANULARITIES.filter((known) => asked.includes(known)))
}

/** @throws FieldError */
function isTrue(param: string, text: string | undefined): boolean {
  if (text === undefined || /^(?:false|0|no|off)$/i.test(text.trim())) return false
  if (/^(?:true|1|yes|on)$/i.test(text.trim())) return true
  throw new FieldError(`${param} takes true or false; got ${JSON.stringify(text.slice(0, 100))}.`, { param })
}

interface InputPlace extends Pick<AskedAnswer, 'task' | 'model' | 'family'> {
  readonly hasWords: boolean
}

/** @throws FieldError */
function inputOf(fields: FormFields, { task, model, family, hasWords }: InputPlace): ModelParameters {
  const prompt = promptOf(fields)
  const given: Record<string, unknown> = {
    ...parametersIn(fields, family),
    ...(hasWords ? { word_timestamps: true } : {}),
    ...(prompt === undefined ? {} : { initial_prompt: prompt }),
  }
  const temperature = temperatureOf(fields.text('temperature'))
  if (temperature !== undefined) given['temperature'] = temperature
  const base = parsed({ ...given, task }, null, model, family)
  const language = task === 'translate' ? undefined : languageOf(fields, family)
  return language === undefined ? base : parsed({ ...given, task, language }, 'language', model, family)
}

function parsed(input: unknown, param: string | null, model: ModelDescription, family: Family): ModelParameters {
  try {
    return family.parameters.parse(input, model)
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    throw new FieldError(error.message, { param, cause: error })
  }
}

/** Words to expect go the way that the model has for them: it reads them as if they had been said before. */
function promptOf(fields: FormFields): string | undefined {
  const words = [...fields.list('keywords'), ...fields.list('hotwords')].join(', ')
  const prompt = fields.text('prompt') ?? fields.text('initial_prompt')
  const all = [words, prompt].filter((part) => part !== undefined && part !== '').join('. ')
  return all === '' ? undefined : all.slice(-MAX_PROMPT_LENGTH)
}

function temperatureOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const temperature = Number(text)
  if (temperature >= 0 && temperature <= 1) return temperature
  throw new FieldError(`temperature takes a number from 0 to 1; got ${JSON.stringify(text.slice(0, 100))}.`, {
    param: 'temperature',
  })
}

/** Several candidates are no choice: the language is then detected among all. */
function languageOf(fields: FormFields, family: Family): string | undefined {
  const candidates = fields.list('languages')
  const text = (fields.text('language') ?? (candidates.length === 1 ? candidates[0] : undefined))?.trim()
  if (text === undefined || text.toLowerCase() === 'auto') return undefined
  const code = family.languageCode(text)
  if (code !== undefined) return code
  throw new FieldError(
    `language takes a language's code (en), tag (en-US) or English name, or auto; got ${JSON.stringify(text.slice(0, 100))}.`,
    { param: 'language', code: 'unsupported_value' },
  )
}

/** The model's parameters by their own names. */
function parametersIn(fields: FormFields, family: Family): Readonly<Record<string, unknown>> {
  const asked = family.parameters.descriptions.filter(
    ({ name }) => fields.names.includes(name) && !OWN_FIELDS.has(name),
  )
  return Object.fromEntries(
    asked.map(({ name, type }) => {
      const text = fields.text(name)
      if (type === 'boolean') return [name, isTrue(name, text)]
      return [name, type === 'string' || text === undefined ? text : valueOf(text)]
    }),
  )
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
