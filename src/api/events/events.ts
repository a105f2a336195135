import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import { isFinished } from '../../jobs/job.ts'
import type { Job } from '../../jobs/job.ts'
import type { JobStore } from '../../jobs/job-store.ts'
import type { ApiContext } from '../context.ts'
import { findOwnJob } from '../jobs/own-job.ts'
import { JobParams, errors } from '../schemas.ts'
import { STREAM_EVENTS } from './event-data.ts'
import { EventStreams } from './event-streams.ts'
import { END_ID, tellJob, tellKey } from './job-stream.ts'

const LastEventId = Type.Optional(
  Type.String({ maxLength: 100, description: 'As the header Last-Event-ID, for a first connection.' }),
)
const LastEventIdHeader = Type.Object({
  'last-event-id': Type.Optional(
    Type.String({ description: 'Only what comes behind this event is sent. One that is not known counts as none.' }),
  ),
})
const streamed = {
  description: 'Server-sent events. The data of each is JSON.',
  content: { 'text/event-stream': { schema: Type.Union(Object.values(STREAM_EVENTS)) } },
}
const nothing = Type.Null({ description: 'There is nothing behind that event, nor ever will be.' })

/** Server-sent events of a job, and of all jobs of a key. */
export function eventRoutes(context: ApiContext): FastifyPluginCallbackTypebox {
  const { jobs, settings } = context
  const streams = new EventStreams(context, settings.maxStreams)
  return (api, _options, done) => {
    // Before the server waits for the answers that are under way.
    api.addHook('preClose', (closed) => {
      streams.close()
      closed()
    })

    api.get(
      '/v1/async/requests/:id/events',
      {
        config: { access: 'poll', takesQueryToken: true },
        // It would be read to its end.
        exposeHeadRoute: false,
        schema: {
          tags: ['Events'],
          summary: 'Follow a job',
          description:
            'A stream of server-sent events: status, progress and segments, and the last status, behind which it ends. Works with the API key, ' +
            'or with the signature of the poll URL.',
          params: JobParams,
          headers: LastEventIdHeader,
          querystring: Type.Object({ lastEventId: LastEventId }),
          response: { 200: streamed, 204: nothing, ...errors(401, 403, 404, 429, 503) },
        },
      },
      async (request, reply) => {
        const job = await findOwnJob(jobs, request.params.id, request.owner)
        const after = await positionOf(job, lastEventId(request, request.query.lastEventId), jobs)
        if (after === 'end') return await reply.status(204).send(null)
        return await streams.serve(request, reply, '', async (stream) => await tellJob(stream, job, after, context))
      },
    )

    api.get(
      '/v1/async/events',
      {
        config: { takesQueryToken: true },
        exposeHeadRoute: false,
        schema: {
          tags: ['Events'],
          summary: 'Follow all jobs of the API key',
          description:
            'From now on, or behind the event that is named; 0 names the time before the first that is kept.',
          headers: LastEventIdHeader,
          querystring: Type.Object({
            lastEventId: LastEventId,
            segments: Type.Optional(
              Type.Enum(['true', 'false'], { default: 'false', description: 'Whether their text is sent as well.' }),
            ),
          }),
          response: { 200: streamed, ...errors(400, 401, 429, 503) },
        },
      },
      async (request, reply) => {
        const { owner, query } = request
        const newest = await jobs.feed.newest({ keyId: owner })
        const given = lastEventId(request, query.lastEventId)
        const known = sequenceIn(given)
        const after = given === undefined ? newest : known === undefined || known > newest ? 0 : known
        const text = query.segments === 'true'
        return await streams.serve(request, reply, `id: ${after}\n\n`, async (stream) => {
          await tellKey(stream, owner, { after, text }, context)
        })
      },
    )
    done()
  }
}

/** The header is newer: a client that comes back sends it with the URL that it began with. */
function lastEventId({ headers }: FastifyRequest, fromUrl: string | undefined): string | undefined {
  const header = headers['last-event-id']
  const given = typeof header === 'string' && header !== '' ? header : fromUrl
  return given === '' ? undefined : given
}

function sequenceIn(id: string | undefined): number | undefined {
  return id !== undefined && /^\d{1,15}$/.test(id) ? Number(id) : undefined
}

/** Behind which event a stream begins; `end`: that was the last. */
async function positionOf(job: Job, id: string | undefined, { feed }: Pick<JobStore, 'feed'>): Promise<number | 'end'> {
  const jobId = job.id
  if (id === END_ID && isFinished(job.status)) return 'end'
  const sequence = sequenceIn(id)
  if (sequence === undefined || !(await feed.has(jobId, sequence))) return 0
  return isFinished(job.status) && sequence === (await feed.newest({ jobId })) ? 'end' : sequence
}
