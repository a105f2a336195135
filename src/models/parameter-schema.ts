import type { TSchema } from 'typebox'

/** What of JSON Schema the parameters' schemas use. */
interface SchemaFacts {
  readonly type?: 'string' | 'number' | 'integer' | 'boolean' | 'array' | 'null'
  readonly anyOf?: readonly SchemaFacts[]
  readonly items?: SchemaFacts
  readonly enum?: readonly string[]
  readonly default?: unknown
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
  readonly description: string
  readonly minimum?: number
  readonly maximum?: number
  readonly values?: readonly string[]
}

const NAMES = { string: 'a string', number: 'a number', integer: 'an integer', boolean: 'true or false' } as const

export function parameterFacts(schema: TSchema): ParameterFacts {
  const { default: value, description = '' }: SchemaFacts = schema
  const options = optionsOf(schema)
  const plain = options.find(isPlain)
  const minimum = plain?.minimum ?? plain?.exclusiveMinimum
  return {
    type: plain?.type ?? 'string',
    isNullable: options.some(({ type }) => type === 'null'),
    isList: options.some(({ type }) => type === 'array'),
    default: value,
    description,
    ...(minimum === undefined ? {} : { minimum }),
    ...(plain?.maximum === undefined ? {} : { maximum: plain.maximum }),
    ...(plain?.enum === undefined ? {} : { values: plain.enum }),
  }
}

/** What a schema takes, in words: `a number from 0 to 1, or null`. */
export function describeOptions(schema: TSchema): string {
  return optionsOf(schema).map(describe).join(', or ')
}

function optionsOf(schema: SchemaFacts): readonly SchemaFacts[] {
  return schema.anyOf ?? [schema]
}

type Plain = SchemaFacts & { readonly type?: ParameterFacts['type'] }

function isPlain(schema: SchemaFacts): schema is Plain {
  return schema.type !== 'null' && schema.type !== 'array'
}

function describe(schema: SchemaFacts): string {
  if (!isPlain(schema)) return schema.type === 'null' ? 'null' : `a list of ${describeItems(schema.items ?? {})}`
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(' or ')
  const text = schema.pattern === undefined ? '' : ` of ${schema.description ?? schema.pattern}`
  const length = schema.maxLength === undefined ? '' : ` of at most ${schema.maxLength} characters`
  return `${NAMES[schema.type ?? 'string']}${text === '' ? length : text}${range(schema)}`
}

function describeItems(items: SchemaFacts): string {
  return `${items.type ?? 'value'}s${range(items)}`
}

function range({ minimum, exclusiveMinimum, maximum }: SchemaFacts): string {
  if (minimum !== undefined) return ` from ${minimum} to ${maximum}`
  return exclusiveMinimum === undefined ? '' : ` above ${exclusiveMinimum} and up to ${maximum}`
}
