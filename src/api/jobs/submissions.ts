import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import type { Static, TSchema } from 'typebox'
import { newJobId } from '../../jobs/job-id.ts'
import type { ServiceTier } from '../../jobs/job.ts'
import type { Submitted } from '../../jobs/job-store.ts'
import type { ModelDescription } from '../../models/catalogue.ts'
import type { ApiContext } from '../context.ts'
import { requireModel } from '../authentication/principal.ts'
import { validationMessage } from '../errors/error-handler.ts'
import { ApiError } from '../errors/api-error.ts'
import { idempotencyOf, jobOptions } from './job-options.ts'
import { jobDetails, jobJson, sendJson, versionOf } from './job-body.ts'
import {
  ACCEPTED,
  ModelParams,
  SubmitHeaders,
  SubmitQuery,
  SubmittedSchema,
  anyInput,
  errors,
  submitBody,
} from '../schemas.ts'
import { noteJob, traceparentOf } from '../http/tracing.ts'
import { submitRecording } from './submit-recording.ts'
import { submittedRecording } from '../uploads/submitted-recording.ts'
import { goneOf } from '../http/gone.ts'
import { pollUrl } from '../urls.ts'
import { submittedWebhook, toldOfWebhook } from '../webhooks/submitted-webhook.ts'
import { waitOf } from './waiting.ts'

const AnyInputBody = submitBody(Type.Unknown())

/** Step 3: a job for a model. */
export function submissionRoutes(context: ApiContext): FastifyPluginCallbackTypebox {
  const { jobs } = context
  return (api, _options, done) => {
    api.post(
      '/v1/async/ent/:vendor/:version/:publisher/:model',
      {
        schema: {
          tags: ['Async API'],
          summary: '3. Submit the recording to a model',
          description:
            'With the header Idempotency-Key, the same request sent again gives the same job instead of another one. With Prefer: wait=… or ' +
            'wait in the query, the answer waits for the job to finish, and shows it as far as it is then.',
          headers: SubmitHeaders,
          params: ModelParams,
          querystring: SubmitQuery,
          body: submitBody(anyInput(context.families)),
          response: { 202: SubmittedSchema, ...errors(400, 401, 403, 404, 409, 413, 422, 429, 503) },
        },
        attachValidation: true,
      },
      async (request, reply) => {
        const accept = async (submitted: Submitted) => {
          noteJob(request, submitted.job.id)
          if (!submitted.isNew) void reply.header('idempotent-replayed', 'true')
          const wait = waitOf(request, request.query.wait)
          const job = await context.waits.until(submitted.job, () => false, wait, reply)
          const isNew = submitted.isNew && wait === null
          const told = submitted.isNew ? await toldOfWebhook(request, context) : {}
          return await sendJson(
            reply.status(202),
            await submittedJson({ job: job ?? submitted.job, isNew }, request, context, told),
          )
        }
        const { owner: keyId } = request
        const model = findModel(request.params, context)
        requireModel(request, model.id)
        requireValidBut(request, 'input', AnyInputBody)
        const { serviceTier: asked = 'cpuflex' } = request.query
        const idempotency = idempotencyOf(request, [model.id, asked, request.body])
        const replayed = idempotency === null ? undefined : await jobs.findReplay(keyId, idempotency)
        // Before all that may have changed since: times that have passed, limits, tiers.
        if (replayed !== undefined) return await accept({ job: replayed, isNew: false })
        const serviceTier = await requireTier(asked, context)
        const { parameters } = await context.familyOf(model)
        const input = parameters.parse(request.body.input, model)
        const options = jobOptions(request.body)
        const gone = goneOf(reply)
        const webhook = await submittedWebhook(request, gone, context)
        const recording = await submittedRecording(request.body.URL, request, context, gone)
        const job = {
          ...options,
          ...recording,
          id: newJobId(),
          keyId,
          model: model.id,
          serviceTier,
          input,
          // Refused by what it decodes to: what its header says may be wrong either way.
          maxAudioSeconds: context.settings.maxAudioSeconds,
          urgent: false,
          idempotency,
          webhook,
          traceparent: traceparentOf(request),
        }
        return await accept(await submitRecording(job, context))
      },
    )
    done()
  }
}

/** What a submit is answered with. A new job's place in the queue is left to the polls, so that submits cost no look at it. */
export async function submittedJson(
  { job, isNew }: Submitted,
  request: FastifyRequest,
  context: ApiContext,
  told: Pick<Static<typeof SubmittedSchema>['response'], 'webhook'> = {},
): Promise<string> {
  const urls = { GET: await pollUrl(request, job.id, job.keyId, context) }
  if (!isNew) {
    const beside = JSON.stringify({ urls, ...told }).slice(1)
    return `{"response":${(await jobJson(job, context)).slice(0, -1)},${beside}}`
  }
  const body: Static<typeof SubmittedSchema> = {
    response: {
      ...jobDetails(job, context),
      version: versionOf(job, context),
      status: ACCEPTED,
      result: null,
      urls,
      ...told,
    },
  }
  return JSON.stringify(body)
}

/** @throws ApiError 404 naming what there is */
export function findModel(
  params: { readonly vendor: string; readonly version: string; readonly publisher: string; readonly model: string },
  { catalogue }: ApiContext,
): ModelDescription {
  const { vendor, version, publisher, model } = params
  if (vendor !== 'tiyarofs' || version !== '1') {
    throw new ApiError(
      404,
      `There is no vendor and version ${vendor.slice(0, 50)}/${version.slice(0, 50)}; it is tiyarofs/1.`,
    )
  }
  const found = catalogue.find(`${publisher}/${model}`)
  if (found !== undefined) return found
  const known = catalogue.list().map(({ id }) => id)
  throw new ApiError(
    404,
    `There is no model ${publisher.slice(0, 100)}/${model.slice(0, 100)}. Known are ${known.join(', ')}.`,
  )
}

/** @throws ApiError 503 where no worker serves the tier */
export async function requireTier(asked: ServiceTier | undefined, context: ApiContext): Promise<ServiceTier> {
  const tier = asked ?? 'cpuflex'
  if (tier === 'gpuflex' && !(await context.servesGpuTier())) {
    throw new ApiError(503, 'No GPU serves the tier gpuflex here. Submit with serviceTier=cpuflex.')
  }
  return tier
}

/**
 * Lets complaints about one field of the body pass, which is validated with better messages behind.
 * @param others the body's schema, with anything in that field: only the first complaint is known, and others may stand behind it
 */
function requireValidBut(request: FastifyRequest, field: string, others: TSchema): void {
  const error = request.validationError
  if (error === undefined) return
  const path = error.validation?.[0]?.instancePath ?? ''
  if (error.validationContext !== 'body' || (path !== `/${field}` && !path.startsWith(`/${field}/`))) throw error
  const validate = request.getValidationFunction(others) ?? request.compileValidationSchema(others)
  if (validate(request.body)) return
  throw new ApiError(400, validationMessage({ validation: validate.errors ?? [], validationContext: 'body' }))
}
