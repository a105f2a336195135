import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { newJobId } from '../../jobs/job-id.ts'
import { JOB_STATUSES, isFinished } from '../../jobs/job.ts'
import type { Job } from '../../jobs/job.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/api-error.ts'
import { jobJson, jobSummary, sendJson, versionOf } from './job-body.ts'
import { etagOf, matches } from './known-version.ts'
import { JOB_ID, findOwnJob, noSuchJob } from './own-job.ts'
import { JobListSchema, JobParams, JobSchema, SubmittedSchema, errors } from '../schemas.ts'
import { submittedJson } from './submissions.ts'
import { PreferHeader, WaitField, waitOf } from './waiting.ts'
import { submitRecording } from './submit-recording.ts'

const PAGE_LENGTH = 50

const PollHeaders = Type.Object({
  ...PreferHeader.properties,
  'if-none-match': Type.Optional(Type.String({ description: 'The ETag of the answer that the client has.' })),
})

/** Step 4: what became of a job; and cancelling, removing and listing them. */
export function requestRoutes(context: ApiContext): FastifyPluginCallbackTypebox {
  const { jobs, recordings } = context

  const findOwn = (id: string, keyId: string): Promise<Job> => findOwnJob(jobs, id, keyId)

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
        const { wait, version } = request.query
        const isKnown = (job: Job): boolean => {
          const own = versionOf(job, context)
          return version === own || matches(request, own)
        }
        const hasVersion = version !== undefined || request.headers['if-none-match'] !== undefined
        const isAnswer = (job: Job): boolean => hasVersion && !isKnown(job)
        const found = await findOwn(request.params.id, request.owner)
        const job = await context.waits.until(found, isAnswer, waitOf(request, wait), reply)
        if (job === undefined) throw noSuchJob(found.id)
        const own = versionOf(job, context)
        void reply.header('etag', etagOf(own))
        if (matches(request, own)) return await reply.status(304).send(null)
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
        if (job === undefined) throw noSuchJob(id)
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
        const recording = await recordings.find(job.payloadKey, request.owner)
        if (recording === undefined) throw new ApiError(409, 'The recording is gone. Upload and submit it anew.')
        const { keyId: owner, model, serviceTier, priority, input, timeoutSeconds } = job
        if (input === null) throw new ApiError(409, 'What is stored of the job is damaged. Submit the recording anew.')
        const { maxAudioSeconds } = context.settings
        const { payloadKey, payloadVersion } = recording
        const renewed = {
          ...{ id: newJobId(), keyId: owner, model, serviceTier, priority, input, maxAudioSeconds, timeoutSeconds },
          // Where the job has run, this is no guess any more.
          ...{ payloadKey, payloadVersion, audioSeconds: job.audioSeconds },
          ...{ urgent: false, startBy: null, expiresAt: null, idempotency: null },
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
