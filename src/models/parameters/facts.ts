import type { TSchema } from 'typebox'
import type { Parameter } from './parameter.ts'

/** What of JSON Schema the parameters' schemas use. */
interface SchemaFacts {
  readonly type?: 'string' | 'number' | 'integer' | 'boolean' | 'array' | 'null'
  readonly anyOf?: readonly SchemaFacts[]
  readonly items?: SchemaFacts
  readonly enum?: readonly string[]
  readonly description?: string
  readonly minimum?: number
  readonly exclusiveMinimum?: number
  readonly maximum?: number
  readonly maxLength?: number
  readonly pattern?: string
}

/** What a parameter takes, for people and programs. */
export interface ParameterFacts {
  readonly type: 'string' | 'number' | 'integer' | 'boolean'
  readonly isNullable: boolean
  /** Whether it takes a list as well; of numbers. */
  readonly isList: boolean
  readonly default: unknown
  /** Plain text. */
  readonly description: string
  readonly unit?: string
  readonly minimum?: number
  readonly exclusiveMinimum?: number
  readonly maximum?: number
  readonly values?: readonly string[]
}

export function parameterFacts({ takes, default: value, meaning, unit }: Parameter): ParameterFacts {
  const options = optionsOf(takes)
  const { type = 'string', minimum, exclusiveMinimum, maximum, enum: values } = options.find(isPlain) ?? {}
  return {
    type,
    isNullable: options.some((option) => option.type === 'null'),
    isList: options.some((option) => option.type === 'array'),
    default: value,
    description: meaning.replaceAll('`', ''),
    ...(unit === undefined ? {} : { unit }),
    ...(minimum === undefined ? {} : { minimum }),
    ...(exclusiveMinimum === undefined ? {} : { exclusiveMinimum }),
    ...(maximum === undefined ? {} : { maximum }),
    ...(values === undefined ? {} : { values }),
  }
}

/** What a schema takes, in words: `a number from 0 to 1, or null`. */
export function inWords(takes: TSchema): string {
  return optionsOf(takes).map(optionInWords).join(', or ')
}

function optionsOf(schema: SchemaFacts): readonly SchemaFacts[] {
  return schema.anyOf ?? [schema]
}

type Plain = SchemaFacts & { readonly type?: ParameterFacts['type'] }

function isPlain(schema: SchemaFacts): schema is Plain {
  return schema.type !== 'null' && schema.type !== 'array'
}

const NAMES = { string: 'a string', number: 'a number', integer: 'an integer', boolean: 'true or false' } as const

function optionInWords(schema: SchemaFacts): string {
  if (!isPlain(schema)) return schema.type === 'null' ? 'null' : `a list of ${itemsInWords(schema.items ?? {})}`
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(' or ')
  const text = schema.pattern === undefined ? '' : ` of ${schema.description ?? schema.pattern}`
  const length = schema.maxLength === undefined ? '' : ` of at most ${schema.maxLength} characters`
  return `${NAMES[schema.type ?? 'string']}${text === '' ? length : text}${range(schema)}`
}

function itemsInWords(items: SchemaFacts): string {
  return `${items.type ?? 'value'}s${range(items)}`
}

function range({ minimum, exclusiveMinimum, maximum }: SchemaFacts): string {
  if (minimum !== undefined) return ` from ${minimum} to ${maximum}`
  return exclusiveMinimum === undefined ? '' : ` above ${exclusiveMinimum} and up to ${maximum}`
}
