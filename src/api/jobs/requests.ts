import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { isFinished } from '../../jobs/job.ts'
import type { Job } from '../../jobs/job.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/api-error.ts'
import { isCurrent } from '../http/conditional.ts'
import { jobJson, sendJob, sendJson, versionOf } from './job-body.ts'
import { noSuchJob, findOwnJob } from './own-job.ts'
import { fieldsField, leftOutOf } from './result-query.ts'
import { JobParams, JobSchema, errors } from '../schemas.ts'
import { PreferHeader, WaitField, waitOf } from './waiting.ts'

/**
 * Of what a poll shows of a job that has not finished, where other processes change it (PostgreSQL): a fifth of the shortest pause that
 * clients make between polls. A database that is asked for each poll answers half as many of them. Who waits, or follows, sees no such delay.
 */
const MAX_AGE_MS = 200

const PollHeaders = Type.Object({
  ...PreferHeader.properties,
  'if-none-match': Type.Optional(Type.String({ description: 'The ETag of the answer that the client has.' })),
})

/** Step 4: what became of a job; and cancelling and removing it. */
export function requestRoutes(context: ApiContext): FastifyPluginCallbackTypebox {
  const { jobs } = context

  return (api, _options, done) => {
    api.get(
      '/v1/async/requests/:id',
      {
        config: { access: 'poll' },
        schema: {
          tags: ['Async API'],
          summary: '4. Poll',
          description:
            'Works with the API key, or with the poll URL as submit returned it. With Prefer: wait=… or wait in the query, the answer waits for ' +
            'the job to finish; with the version that the client has too, or with If-None-Match, for any change of it.',
          params: JobParams,
          headers: PollHeaders,
          querystring: Type.Object({
            ...fieldsField,
            wait: WaitField,
            version: Type.Optional(
              Type.String({
                maxLength: 100,
                description: 'Of the answer that the client has: it waits for another one.',
              }),
            ),
          }),
          response: {
            200: JobSchema,
            304: Type.Null({ description: 'The job is as If-None-Match says that the client has it.' }),
            ...errors(400, 401, 403, 404, 503),
          },
        },
      },
      async (request, reply) => {
        const { wait, version, fields } = request.query
        const leftOut = leftOutOf(fields)
        const isKnown = (job: Job): boolean => {
          const own = versionOf(job, context)
          return version === own || isCurrent(request, etagOf(own))
        }
        const hasVersion = version !== undefined || request.headers['if-none-match'] !== undefined
        const isAnswer = (job: Job): boolean => hasVersion && !isKnown(job)
        const asked = waitOf(request, wait)
        const found = await findOwnJob(jobs, request.params.id, request.owner, asked === null ? MAX_AGE_MS : 0)
        const job = await context.waits.until(found, isAnswer, asked, reply)
        if (job === undefined) throw noSuchJob(found.id)
        const own = versionOf(job, context)
        void reply.header('etag', etagOf(own))
        if (isCurrent(request, etagOf(own))) return await reply.status(304).send(null)
        return await sendJob(reply, job, context, leftOut)
      },
    )

    api.post(
      '/v1/async/requests/:id/cancel',
      {
        schema: {
          tags: ['Async API'],
          summary: 'Cancel a job',
          description:
            'A job that waits is cancelled at once, one that runs within seconds. Cancelling again does no harm.',
          params: JobParams,
          response: { 200: JobSchema, ...errors(401, 404, 409, 503) },
        },
      },
      async (request, reply) => {
        const { id } = await findOwnJob(jobs, request.params.id, request.owner)
        const job = await jobs.cancel(id)
        if (job === undefined) throw noSuchJob(id)
        if (job.status === 'success' || job.status === 'failed') {
          throw new ApiError(409, `The job has finished (${job.status}), so it can’t be cancelled. DELETE removes it.`)
        }
        return await sendJson(reply, await jobJson(job, context))
      },
    )

    api.delete(
      '/v1/async/requests/:id',
      {
        schema: {
          tags: ['Async API'],
          summary: 'Remove a finished job',
          description: 'Removes the job, its result, and its recording unless another job was submitted with that.',
          params: JobParams,
          response: { 204: Type.Null({ description: 'It is gone.' }), ...errors(401, 404, 409, 503) },
        },
      },
      async (request, reply) => {
        const job = await findOwnJob(jobs, request.params.id, request.owner)
        if (!isFinished(job.status)) {
          throw new ApiError(409, `The job has not finished (${job.status}). Cancel it first.`)
        }
        await jobs.remove(job.id)
        context.clearGarbage()
        return await reply.status(204).send(null)
      },
    )

    done()
  }
}

/** A weak one: a job's place in the queue changes while it stays the same. */
function etagOf(version: string): string {
  return `W/"${version}"`
}
