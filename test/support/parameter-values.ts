import fc from 'fast-check'
import type { TSchema } from 'typebox'

/** As much of JSON Schema as parameters use. */
interface Schema {
  readonly type?: 'string' | 'number' | 'integer' | 'boolean' | 'array' | 'null'
  readonly enum?: readonly string[]
  readonly anyOf?: readonly Schema[]
  readonly items?: Schema
  readonly minItems?: number
  readonly maxItems?: number
  readonly minimum?: number
  readonly exclusiveMinimum?: number
  readonly maximum?: number
  readonly maxLength?: number
  readonly pattern?: string
}

/** Values that a schema takes, those at its limits among them. */
export function valuesOf(takes: TSchema): fc.Arbitrary<unknown> {
  return fc.oneof(...optionsOf(takes).map(valuesOfOption))
}

/** Values that a schema does not take: beyond its limits, or of no type that it has. */
export function othersThan(takes: TSchema): fc.Arbitrary<unknown> {
  const options = optionsOf(takes)
  const has = (...types: readonly Schema['type'][]): boolean => options.some(({ type }) => types.includes(type))
  const takesText = options.some(({ type, enum: values }) => type === 'string' || values !== undefined)
  return fc.oneof(
    fc.object(),
    ...options.map(beyond),
    ...(has('number', 'integer') ? [] : [fc.double({ noNaN: true, noDefaultInfinity: true })]),
    ...(has('boolean') ? [] : [fc.boolean()]),
    ...(has('null') ? [] : [fc.constant(null)]),
    ...(has('array') ? [] : [fc.array(fc.anything(), { maxLength: 3 }).map(() => [0])]),
    ...(takesText ? [] : [fc.string()]),
  )
}

function optionsOf(schema: Schema): readonly Schema[] {
  return schema.anyOf ?? [schema]
}

function valuesOfOption(schema: Schema): fc.Arbitrary<unknown> {
  const { minimum: min = 0, exclusiveMinimum, maximum: max = 0, maxLength = 1000, minItems = 0, maxItems = 0 } = schema
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  switch (schema.type) {
    case 'number': {
      const above = exclusiveMinimum === undefined ? { min } : { min: exclusiveMinimum, minExcluded: true }
      return fc.double({ ...above, max, noNaN: true })
    }
    case 'integer':
      return fc.oneof(fc.constantFrom(min, max), fc.integer({ min, max }))
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    case 'array':
      return fc.array(valuesOfOption(schema.items ?? {}), { minLength: minItems, maxLength: Math.min(maxItems, 30) })
    case 'string':
      if (schema.pattern === undefined) return fc.oneof(fc.string({ maxLength }), fc.constant('x'.repeat(maxLength)))
      return fc.stringMatching(new RegExp(schema.pattern)).filter((text) => text.length <= maxLength)
    case undefined:
    default:
      throw new Error('a schema of no kind')
  }
}

function beyond(schema: Schema): fc.Arbitrary<unknown> {
  const { minimum, exclusiveMinimum, maximum = 0, maxLength, minItems = 0, maxItems = 0 } = schema
  if (schema.enum !== undefined) return fc.string().filter((text) => schema.enum?.includes(text) === false)
  switch (schema.type) {
    case 'number':
      return fc.oneof(
        fc.double({ min: maximum, minExcluded: true, noNaN: true, noDefaultInfinity: true }),
        fc
          .double({ max: minimum ?? exclusiveMinimum ?? 0, noNaN: true, noDefaultInfinity: true })
          // −0 is below 0 for fast-check alone.
          .filter((value) => exclusiveMinimum !== undefined || value < (minimum ?? 0)),
      )
    case 'integer':
      return fc.constantFrom((minimum ?? 0) - 1, maximum + 1, (minimum ?? 0) + 0.5, 1e300)
    case 'array': {
      const items = valuesOfOption(schema.items ?? {})
      const long = items.map((item) => Array.from({ length: maxItems + 1 }, () => item))
      const wrong = fc.tuple(items, beyond(schema.items ?? {}))
      return minItems === 0 ? fc.oneof(long, wrong) : fc.oneof(long, wrong, fc.constant([]))
    }
    case 'string': {
      if (schema.pattern !== undefined) return fc.constantFrom('a', '1,', ',', '1;2', '--1', '1 2')
      return maxLength === undefined ? fc.object() : fc.constant('x'.repeat(maxLength + 1))
    }
    case 'boolean':
    case 'null':
      return fc.object()
    case undefined:
    default:
      throw new Error('a schema of no kind')
  }
}
