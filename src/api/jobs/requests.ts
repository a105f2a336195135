import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { newJobId } from '../../jobs/job-id.ts'
import { JOB_STATUSES, isFinished } from '../../jobs/job.ts'
import type { Job } from '../../jobs/job.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/api-error.ts'
import { jobJson, jobSummary, sendJson } from './job-body.ts'
import { JobListSchema, JobParams, JobSchema, SubmittedSchema, errors } from '../schemas.ts'
import { JOB_ID, findOwnJob, noJob } from './own-job.ts'
import { submittedJson } from './submissions.ts'
import { goneOf } from '../http/gone.ts'
import { remoteRecording } from '../uploads/submitted-recording.ts'
import type { SubmittedRecording } from '../uploads/submitted-recording.ts'
import { submitRecording } from './submit-recording.ts'

const PAGE_LENGTH = 50

/** Step 4: what became of a job; and cancelling, removing and listing them. */
export function requestRoutes(context: ApiContext): FastifyPluginCallbackTypebox {
  const { jobs, recordings } = context

  const findOwn = (id: string, keyId: string): Promise<Job> => findOwnJob(id, keyId, jobs)

  /** The same one again; what could not be fetched is fetched anew. */
  const recordingOf = async (
    { payloadKey, sourceUrl, keyId }: Job,
    gone: AbortSignal,
  ): Promise<Omit<SubmittedRecording, 'audioSeconds'>> => {
    if (sourceUrl !== null) return await remoteRecording(sourceUrl, keyId, context, gone)
    const recording = await recordings.find(payloadKey, keyId)
    if (recording === undefined) throw new ApiError(409, 'The recording is gone. Upload and submit it anew.')
    return { payloadKey, payloadVersion: recording.payloadVersion, sourceUrl: null }
  }

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
        const job = await findOwn(request.params.id, request.owner)
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
        const { id } = await findOwn(request.params.id, request.owner)
        const job = await jobs.cancel(id)
        if (job === undefined) throw noJob(id)
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
        const job = await findOwn(request.params.id, request.owner)
        if (job.status !== 'failed' && job.status !== 'cancelled') {
          throw new ApiError(409, `Only a failed or cancelled job can be submitted again; this one is ${job.status}.`)
        }
        const recording = await recordingOf(job, goneOf(reply))
        const { keyId: owner, model, serviceTier, priority, input, timeoutSeconds } = job
        if (input === null) throw new ApiError(409, 'What is stored of the job is damaged. Submit the recording anew.')
        const { maxAudioSeconds } = context.settings
        const renewed = {
          ...{ id: newJobId(), keyId: owner, model, serviceTier, priority, input, maxAudioSeconds, timeoutSeconds },
          // Where the job has run, this is no guess any more.
          ...{ ...recording, audioSeconds: job.audioSeconds },
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
        const job = await findOwn(request.params.id, request.owner)
        if (!isFinished(job.status)) {
          throw new ApiError(409, `The job has not finished (${job.status}). Cancel it first.`)
        }
        await jobs.remove(job.id)
        context.clearGarbage()
        return await reply.status(204).send(null)
      },
    )

    api.get(
      '/v1/async/requests',
      {
        schema: {
          tags: ['Async API'],
          summary: 'List jobs',
          description: 'With status=failed, those that can be submitted again.',
          querystring: Type.Object({
            status: Type.Optional(Type.Enum(JOB_STATUSES)),
            before: Type.Optional(
              Type.String({
                pattern: JOB_ID.source,
                description: 'The `next` of the page before, be that job removed or not.',
              }),
            ),
          }),
          response: { 200: JobListSchema, ...errors(400, 401, 503) },
        },
      },
      async (request) => {
        const found = await jobs.list(request.owner, { ...request.query, limit: PAGE_LENGTH })
        return {
          requests: found.map((job) => jobSummary(job, context)),
          next: found.length < PAGE_LENGTH ? null : (found.at(-1)?.id ?? null),
        }
      },
    )
    done()
  }
}
