import { choose } from '../../test/support/random.ts'
import { nastyText, nastyValue } from './nasty-values.ts'

/** As much of a JSON schema as `/openapi.json` uses. */
export interface Schema {
  readonly type?: string
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Schema[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly minItems?: number
  readonly maxItems?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly maxLength?: number
  readonly format?: string
}

/** A value for a schema; mostly valid, often at a limit, now and then beyond it or of another type. */
export function valueFor(schema: Schema, random: () => number): unknown {
  if (random() < 0.04) return nastyValue(random)
  if (schema.const !== undefined) return schema.const
  if (schema.enum !== undefined) return choose(schema.enum, random)
  if (schema.anyOf !== undefined) return valueFor(choose(schema.anyOf, random), random)
  switch (schema.type) {
    case 'object':
      return objectFor(schema, random)
    case 'array':
      return arrayFor(schema, random)
    case 'string':
      return textFor(schema, random)
    case 'number':
    case 'integer':
      return numberFor(schema, random)
    case 'boolean':
      return random() < 0.5
    case 'null':
      return null
    case undefined:
    default:
      return nastyValue(random)
  }
}

function objectFor({ properties = {}, required = [] }: Schema, random: () => number): unknown {
  const given = Object.entries(properties)
    .filter(([name]) => random() < (required.includes(name) ? 0.97 : 0.15))
    .map(([name, schema]) => [name, valueFor(schema, random)] as const)
  const extra = random() < 0.03 ? [[nastyText(random), nastyValue(random)] as const] : []
  return Object.fromEntries([...given, ...extra])
}

function arrayFor({ items = {}, minItems = 0, maxItems = 10 }: Schema, random: () => number): unknown {
  const lengths = [minItems, minItems + 1, Math.min(maxItems, 20), Math.min(maxItems + 1, 500), 0]
  return Array.from({ length: choose(lengths, random) }, () => valueFor(items, random))
}

function textFor({ maxLength = 100, format }: Schema, random: () => number): string {
  if (format === 'date-time' && random() < 0.8) return new Date(Date.UTC(2020 + 40 * random(), 1)).toISOString()
  const makers = [() => 'en', () => 'a'.repeat(Math.min(maxLength, 20_000)), () => nastyText(random)]
  return choose(makers, random)()
}

function numberFor({ type, minimum, maximum, exclusiveMinimum }: Schema, random: () => number): number {
  const least = minimum ?? exclusiveMinimum ?? -1000
  const most = maximum ?? 1000
  const between = least + (most - least) * random()
  const candidates = [
    least,
    most,
    between,
    between,
    between,
    (least + most) / 2,
    least - 1,
    most + 1,
    least + Number.EPSILON,
  ]
  const value = choose(candidates, random)
  return type === 'integer' && random() < 0.95 ? Math.round(value) : value
}
