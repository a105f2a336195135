import Type from 'typebox'
import type { Static, TSchema } from 'typebox'

/**
 * A parameter of a family's models: the one place that says what it takes and means. Validation, the OpenAPI document, the list at
 * `/v1/models`, the flags of the command line and the table in docs/api.md are made from it.
 */
export interface Parameter<Takes extends TSchema = TSchema> {
  /** Its types with their ranges. A string with a pattern has a description: what the pattern is the form of. */
  readonly takes: Takes
  readonly default: Static<Takes>
  /** What it does, and what null and the like stand for; Markdown. */
  readonly meaning: string
  /** Of its numbers. */
  readonly unit?: string
}

export type ParameterMap = Readonly<Record<string, Parameter>>

/** The parameters of a request, each with a value. */
export type InputOf<Known extends ParameterMap> = { [Name in keyof Known]: Static<Known[Name]['takes']> }

export function parameter<Takes extends TSchema>(
  takes: Takes,
  facts: Omit<Parameter<Takes>, 'takes'>,
): Parameter<Takes> {
  return { takes, ...facts }
}

export function orNull<Schema extends TSchema>(schema: Schema) {
  return Type.Union([schema, Type.Null()])
}

/**
 * Numbers separated by commas, or nothing.
 * @param number the pattern of one
 */
export function numbersText(number: string, description: string) {
  return Type.String({ maxLength: 10_000, pattern: `^(\\s*${number}\\s*(,\\s*${number}\\s*)*)?$`, description })
}

/** Numbers as they are given: a list, or a string of them separated by commas. */
export function listOf(numbers: readonly number[] | string | null): readonly number[] {
  if (typeof numbers === 'string') return numbers.trim() === '' ? [] : numbers.split(',').map(Number)
  return numbers ?? []
}
