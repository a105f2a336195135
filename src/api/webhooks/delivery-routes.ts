import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { LoggedDelivery } from '../../webhooks/delivery-log.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/api-error.ts'
import { requireOwn } from '../jobs/own-job.ts'
import { JobParams, errors } from '../schemas.ts'
import { DeliveriesSchema, DeliveryParams, DeliverySchema } from './webhook-schemas.ts'

/** What became of what was to be told of a job. */
export function deliveryRoutes(context: ApiContext): FastifyPluginCallbackTypebox {
  const { jobs, webhooks } = context
  return (api, _options, done) => {
    api.get(
      '/v1/async/requests/:id/deliveries',
      {
        schema: {
          tags: ['Webhooks'],
          summary: 'The log of a job’s webhook',
          description: 'Each event that was told or is to be told, with each attempt.',
          params: JobParams,
          response: { 200: DeliveriesSchema, ...errors(401, 404, 503) },
        },
      },
      async (request) => {
        const { id } = await requireOwn(jobs, request.params.id, request.owner)
        return { deliveries: (await webhooks.log.ofJob(id)).map(deliveryBody) }
      },
    )
    api.post(
      '/v1/async/requests/:id/deliveries/:deliveryId/replay',
      {
        schema: {
          tags: ['Webhooks'],
          summary: 'Send one again',
          description:
            'With the same webhook-id, and all attempts from the first one on. One that waits for its next attempt is sent now.',
          params: DeliveryParams,
          response: { 202: DeliverySchema, ...errors(401, 404, 503) },
        },
      },
      async (request, reply) => {
        const { id: jobId } = await requireOwn(jobs, request.params.id, request.owner)
        const { deliveryId } = request.params
        const isThere = await webhooks.replay(jobId, deliveryId)
        const found = isThere ? await webhooks.log.find(deliveryId) : undefined
        if (found === undefined) {
          throw new ApiError(404, `The job has no delivery ${deliveryId}; GET …/deliveries lists those it has.`)
        }
        return await reply.status(202).send(deliveryBody(found))
      },
    )
    done()
  }
}

function deliveryBody({ id, type, url, status, droppedBecause, at, nextAttemptAt, attempts }: LoggedDelivery) {
  return {
    ...{ id, type, url, status, droppedBecause },
    at: at.toISOString(),
    nextAttemptAt: nextAttemptAt?.toISOString() ?? null,
    attempts: attempts.map((attempt) => ({ ...attempt, at: attempt.at.toISOString() })),
  }
}
