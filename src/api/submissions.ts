import { randomUUID } from 'node:crypto'
import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import type { ServiceTier } from '../jobs/job.ts'
import type { ModelDescription } from '../models/catalogue.ts'
import { parseWhisperInput } from '../models/whisper-input.ts'
import { authenticate } from './authentication.ts'
import type { ApiContext } from './context.ts'
import { ApiError } from './errors.ts'
import { jobBody } from './job-body.ts'
import { ModelParams, SubmitBody, SubmittedSchema, TierQuery, errors } from './schemas.ts'
import { requireUploaded } from './upload-state.ts'
import { payloadKeyOf, pollUrl } from './urls.ts'

/** Step 3: a job for a model. */
export function submissionRoutes(context: ApiContext): FastifyPluginCallbackTypebox {
  const { jobs, payloads } = context
  return (api, _options, done) => {
    api.post(
      '/v1/async/ent/:vendor/:version/:publisher/:model',
      {
        schema: {
          tags: ['Async API'],
          summary: '3. Submit the recording to a model',
          params: ModelParams,
          querystring: TierQuery,
          body: SubmitBody,
          response: { 202: SubmittedSchema, ...errors(400, 401, 403, 404, 409, 503) },
        },
        attachValidation: true,
      },
      async (request, reply) => {
        const keyId = await authenticate(request, context)
        const model = findModel(request.params, context)
        requireValidBut(request, '/input')
        const serviceTier = requireTier(request.query.serviceTier, context)
        const input = parseWhisperInput(request.body.input, model)
        const payloadKey = payloadKeyOf(request.body.URL, keyId, context)
        await requireUploaded(payloadKey, context)
        const id = randomUUID()
        const job = await jobs.submit({
          id,
          keyId,
          model: model.id,
          serviceTier,
          input,
          payloadKey,
          maxAudioSeconds: null,
          urgent: false,
        })
        const urls = { GET: pollUrl(request, id, keyId, context) }
        return await reply.status(202).send({ response: { ...(await jobBody(job, payloads)), urls } })
      },
    )
    done()
  }
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
export function requireTier(asked: ServiceTier | undefined, { settings }: ApiContext): ServiceTier {
  const tier = asked ?? 'cpuflex'
  if (tier === 'gpuflex' && !settings.servesGpuTier) {
    throw new ApiError(503, 'No GPU serves the tier gpuflex here. Submit with serviceTier=cpuflex.')
  }
  return tier
}

/** Lets a complaint about one field pass, which is validated with better messages behind. */
export function requireValidBut(request: FastifyRequest, field: string): void {
  const error = request.validationError
  if (error === undefined) return
  const path = error.validation?.[0]?.instancePath ?? ''
  if (error.validationContext !== 'body' || (path !== field && !path.startsWith(`${field}/`))) throw error
}
