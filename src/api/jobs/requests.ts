import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { isFinished } from '../../jobs/job.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/api-error.ts'
import { jobJson, sendJson } from './job-body.ts'
import { JobParams, JobSchema, errors } from '../schemas.ts'
import { findOwnJob, noSuchJob } from './own-job.ts'

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
          description: 'Works with the API key, or with the poll URL as submit returned it.',
          params: JobParams,
          response: { 200: JobSchema, ...errors(401, 403, 404, 503) },
        },
      },
      async (request, reply) => {
        const job = await findOwnJob(jobs, request.params.id, request.owner)
        return await sendJson(reply, await jobJson(job, context))
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
