import Type from 'typebox'
import { nullable } from '../nullable.ts'
import { ErrorSchema } from '../schemas.ts'

const error = Type.Object({
  message: Type.String(),
  type: Type.String({ examples: ['invalid_request_error'] }),
  param: nullable(Type.String({ description: 'The field that is wrong.' })),
  code: nullable(Type.String({ examples: ['model_not_found'] })),
})

/** An error as OpenAI's clients read it. */
const OpenAiErrorSchema = Type.Object({ error }, { description: 'An error, as OpenAI’s clients read it.' })

/** One that this API's clients read as well. */
const BothErrorsSchema = Type.Object(
  { ...ErrorSchema.properties, error },
  { description: 'An error, for this API’s clients and for OpenAI’s.' },
)

/** The errors of a route of OpenAI's. */
export function openAiErrors(...statuses: readonly number[]): Record<number, typeof OpenAiErrorSchema> {
  return Object.fromEntries(statuses.map((status) => [status, OpenAiErrorSchema]))
}

/** Those of a route that both have. */
export function sharedErrors(...statuses: readonly number[]): Record<number, typeof BothErrorsSchema> {
  return Object.fromEntries(statuses.map((status) => [status, BothErrorsSchema]))
}
