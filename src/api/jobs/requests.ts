import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { newJobId } from '../../jobs/job-id.ts'
import { isFinished } from '../../jobs/job.ts'
import { requireModel } from '../authentication/principal.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/api-error.ts'
import { jobJson, sendJob, sendJson } from './job-body.ts'
import { fieldsField, leftOutOf } from './result-query.ts'
import { JobParams, JobSchema, SubmittedSchema, errors } from '../schemas.ts'
import { notFound, requireOwn } from './own-job.ts'
import { submittedJson } from './submissions.ts'
import { submitRecording } from './submit-recording.ts'

/** Step 4: what became of a job; and cancelling, submitting again and removing it. */
export function requestRoutes(context: ApiContext): FastifyPluginCallbackTypebox {
  const { jobs, recordings } = context

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
          querystring: Type.Object(fieldsField),
          response: { 200: JobSchema, ...errors(400, 401, 403, 404, 503) },
        },
      },
      async (request, reply) => {
        const leftOut = leftOutOf(request.query.fields)
        const job = await requireOwn(jobs, request.params.id, request.owner)
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
        const { id } = await requireOwn(jobs, request.params.id, request.owner)
        const job = await jobs.cancel(id)
        if (job === undefined) throw notFound(id)
        if (job.status === 'success' || job.status === 'failed') {
          throw new ApiError(409, `The job has finished (${job.status}), so it can’t be cancelled. DELETE removes it.`)
        }
        return await sendJson(reply, await jobJson(job, context))
      },
    )

    api.post(
      '/v1/async/requests/:id/retry',
      {
        schema: {
          tags: ['Async API'],
          summary: 'Submit a failed or cancelled job again',
          description: 'Makes a new job with the same recording, model and input. The old one stays as it is.',
          params: JobParams,
          response: { 202: SubmittedSchema, ...errors(401, 404, 409, 429, 503) },
        },
      },
      async (request, reply) => {
        const job = await requireOwn(jobs, request.params.id, request.owner)
        if (job.status !== 'failed' && job.status !== 'cancelled') {
          throw new ApiError(409, `Only a failed or cancelled job can be submitted again; this one is ${job.status}.`)
        }
        const recording = await recordings.find(job.payloadKey, request.owner)
        if (recording === undefined) throw new ApiError(409, 'The recording is gone. Upload and submit it anew.')
        const { keyId: owner, model, serviceTier, priority, input, timeoutSeconds } = job
        requireModel(request, model)
        if (input === null) throw new ApiError(409, 'What is stored of the job is damaged. Submit the recording anew.')
        const { maxAudioSeconds } = context.settings
        const { payloadKey, payloadVersion } = recording
        const renewed = {
          ...{ id: newJobId(), keyId: owner, model, serviceTier, priority, input, maxAudioSeconds, timeoutSeconds },
          // Where the job has run, this is no guess any more.
          ...{ payloadKey, payloadVersion, audioSeconds: job.audioSeconds },
          ...{ name: job.name, metadata: job.metadata, removeAfterSeconds: job.removeAfterSeconds },
          ...{ urgent: false, startBy: null, expiresAt: null, idempotency: null, webhook: job.webhook },
        }
        const again = await submitRecording(renewed, context)
        return await sendJson(reply.status(202), await submittedJson(again, request, context))
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
        const job = await requireOwn(jobs, request.params.id, request.owner)
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
