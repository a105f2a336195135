import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { CURSOR_PATTERN, parseCursor } from '../../jobs/reading/cursor.ts'
import type { Cursor } from '../../jobs/reading/cursor.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/api-error.ts'
import { JobListSchema, errors } from '../schemas.ts'
import { jobSummary } from './job-body.ts'
import { filterFields, filterOf, metadataIn } from './job-filter.ts'

const DEFAULT_PAGE_LENGTH = 50
const MAX_PAGE_LENGTH = 200

const Query = Type.Object({
  ...filterFields,
  order: Type.Optional(Type.Enum(['newest', 'oldest'], { default: 'newest', description: 'Which come first.' })),
  limit: Type.Optional(
    Type.String({
      description: `Jobs on a page: 1 to ${MAX_PAGE_LENGTH}, ${DEFAULT_PAGE_LENGTH} unless it is said.`,
      examples: ['50'],
    }),
  ),
  cursor: Type.Optional(
    Type.String({
      pattern: CURSOR_PATTERN,
      description: 'The `next` or `previous` of a page of the same list, be the jobs of that page removed or not.',
    }),
  ),
  before: Type.Optional(
    Type.String({
      pattern: CURSOR_PATTERN,
      deprecated: true,
      description: 'As `cursor`: a `next`, or the id of a job, behind which the page begins.',
    }),
  ),
})

/** A key's jobs, page by page. */
export function jobListRoutes(context: ApiContext): FastifyPluginCallbackTypebox {
  return (api, _options, done) => {
    api.get(
      '/v1/async/requests',
      {
        schema: {
          tags: ['Async API'],
          summary: 'List jobs',
          description:
            'Those that are as the query says in all that it names. `metadata.<key>=<value>` beside the parameters below: those that have ' +
            'this pair. A page may have fewer jobs than its limit, even none, although there are more: `next` alone says whether.',
          querystring: Query,
          response: { 200: JobListSchema, ...errors(400, 401, 503) },
        },
      },
      async (request) => {
        const { order, limit, cursor, before, ...filter } = request.query
        const page = await context.jobs.list(request.owner, {
          ...filterOf(filter, metadataIn(request.query)),
          limit: lengthOf(limit),
          ...(order === undefined ? {} : { order }),
          ...cursorOf(cursor, before),
        })
        const { jobs, next, previous } = page
        return { requests: jobs.map((job) => jobSummary(job, context)), next, previous }
      },
    )
    done()
  }
}

function lengthOf(limit: string | undefined): number {
  if (limit === undefined) return DEFAULT_PAGE_LENGTH
  const length = Number(limit)
  if (/^\d+$/.test(limit) && length >= 1 && length <= MAX_PAGE_LENGTH) return length
  throw new ApiError(
    400,
    `limit takes an integer from 1 to ${MAX_PAGE_LENGTH}; got ${JSON.stringify(limit.slice(0, 100))}.`,
  )
}

function cursorOf(given: string | undefined, before: string | undefined): { readonly cursor?: Cursor } {
  if (given !== undefined && before !== undefined) {
    throw new ApiError(400, 'cursor and before say the same, so that only one of them can be given.')
  }
  const cursor = parseCursor(given ?? before ?? '')
  return cursor === undefined ? {} : { cursor }
}
