import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { MAX_USAGE_DAYS } from '../../jobs/usage/usage.ts'
import { MODEL_NAME_PATTERN } from '../authentication/api-key.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/api-error.ts'
import { errors } from '../schemas.ts'

const DEFAULT_DAYS = 30

const Query = Type.Object({
  by: Type.Optional(
    Type.Enum(['day', 'model'], {
      default: 'day',
      description: 'day: of each day and model; model: of all days together.',
    }),
  ),
  days: Type.Optional(
    Type.String({
      description: `Days of UTC, today included: 1 to ${MAX_USAGE_DAYS}, ${DEFAULT_DAYS} unless it is said.`,
      examples: ['30'],
    }),
  ),
  model: Type.Optional(Type.String({ pattern: MODEL_NAME_PATTERN, description: 'Only of this model.' })),
})

const UsageSchema = Type.Object({
  day: Type.Optional(Type.String({ format: 'date', description: 'Of UTC, on which the jobs finished; by day.' })),
  model: Type.String(),
  jobs: Type.Integer({ description: 'That have finished.' }),
  succeeded: Type.Integer(),
  cancelled: Type.Integer(),
  failed: Type.Integer(),
  failures: Type.Record(Type.String(), Type.Integer(), { description: 'How many failed by which code.' }),
  audioSeconds: Type.Number({ description: 'Of audio that became text, also of jobs that did not succeed.' }),
  runSeconds: Type.Number({ description: 'From the beginning of each job’s last run to its end.' }),
})

/** What the key has used, its removed jobs included. */
export function usageRoutes({ usage }: ApiContext): FastifyPluginCallbackTypebox {
  return (api, _options, done) => {
    api.get(
      '/v1/usage',
      {
        schema: {
          tags: ['Usage'],
          summary: 'Audio, jobs and failures, by day and model',
          description:
            'Of all jobs that finished, those that are removed by now and synchronous ones included. Days without any are left out.',
          querystring: Query,
          response: { 200: Type.Object({ usage: Type.Array(UsageSchema) }), ...errors(400, 401, 503) },
        },
      },
      async (request) => {
        const { by = 'day', days, model } = request.query
        const asked = { by, days: daysOf(days), keyId: request.owner, ...(model === undefined ? {} : { model }) }
        return { usage: (await usage(asked)).map((each) => ({ ...each, model: each.model ?? '' })) }
      },
    )
    done()
  }
}

function daysOf(given: string | undefined): number {
  if (given === undefined) return DEFAULT_DAYS
  const days = Number(given)
  if (/^\d+$/.test(given) && days >= 1 && days <= MAX_USAGE_DAYS) return days
  throw new ApiError(
    400,
    `days takes an integer from 1 to ${MAX_USAGE_DAYS}; got ${JSON.stringify(given.slice(0, 100))}.`,
  )
}
