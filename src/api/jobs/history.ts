import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { JOB_EVENT_KINDS, JobEventSchema } from '../../contract/job-event.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/api-error.ts'
import { nullable } from '../nullable.ts'
import { JobParams, errors } from '../schemas.ts'
import { sendJson } from './job-body.ts'
import { requireOwn } from './own-job.ts'

const PAGE_LENGTH = 200
/** What a recording of hours has hundreds of. */
const TRANSITIONS = JOB_EVENT_KINDS.filter((kind) => kind !== 'window')

const Query = Type.Object({
  after: Type.Optional(Type.String({ description: 'The `next` of the page before.', examples: ['17'] })),
  windows: Type.Optional(
    Type.Enum(['true', 'false'], { default: 'false', description: 'Whether finished windows are told as well.' }),
  ),
})

/** What happened to a job. */
export function historyRoutes(context: ApiContext): FastifyPluginCallbackTypebox {
  const { jobs } = context
  return (api, _options, done) => {
    api.get(
      '/v1/async/requests/:id/history',
      {
        schema: {
          tags: ['Async API'],
          summary: 'What happened to a job',
          description: `When it was accepted, taken and by which worker, given back and why, and how it ended: ${PAGE_LENGTH} a page, the oldest first.`,
          params: JobParams,
          querystring: Query,
          response: {
            200: Type.Object({
              events: Type.Array(JobEventSchema),
              next: nullable(
                Type.Integer({
                  description: 'Give it as `after` to get the next page; null: nothing more has happened.',
                }),
              ),
            }),
            ...errors(400, 401, 404, 503),
          },
        },
      },
      async (request, reply) => {
        const { after, windows } = request.query
        const { id } = await requireOwn(jobs, request.params.id, request.owner)
        const kinds = windows === 'true' ? JOB_EVENT_KINDS : TRANSITIONS
        const events = await jobs.events(id, sequenceOf(after), PAGE_LENGTH, kinds)
        const next = events.length < PAGE_LENGTH ? null : (events.at(-1)?.sequence ?? null)
        return await sendJson(reply, JSON.stringify({ events, next }))
      },
    )
    done()
  }
}

function sequenceOf(after: string | undefined): number {
  if (after === undefined) return 0
  const sequence = Number(after)
  if (/^\d+$/.test(after) && Number.isSafeInteger(sequence)) return sequence
  throw new ApiError(400, `after takes the \`next\` of a page, an integer; got ${JSON.stringify(after.slice(0, 100))}.`)
}
