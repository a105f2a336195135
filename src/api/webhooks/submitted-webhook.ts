import type { FastifyRequest } from 'fastify'
import type { Static } from 'typebox'
import type { JobWebhook } from '../../jobs/job.ts'
import { eventsOf } from '../../webhooks/webhooks.ts'
import type { ApiContext } from '../context.ts'
import { baseUrl } from '../urls.ts'
import type { SubmittedWebhookSchema, WebhookField } from './webhook-schemas.ts'

interface Asking {
  readonly owner: string
  readonly body: { readonly webhook?: Static<typeof WebhookField> }
}

/**
 * Whom a job is told to that is submitted with this request.
 * @throws WebhookError, OutboundError: 400
 */
export async function submittedWebhook(
  request: FastifyRequest & Asking,
  gone: AbortSignal,
  context: ApiContext,
): Promise<JobWebhook | null> {
  const { webhooks } = context
  const { owner, body } = request
  const base = baseUrl(request, context)
  if (body.webhook === undefined) return await webhooks.byDefault(owner, base)
  return await webhooks.named(owner, body.webhook, base, gone)
}

/** What the answer says of it, which is not said again: the secret that it is signed with. */
export async function toldOfWebhook(
  { owner, body: { webhook } }: Asking,
  { webhooks }: ApiContext,
): Promise<{ readonly webhook?: Static<typeof SubmittedWebhookSchema> }> {
  if (webhook === undefined) return {}
  const { url, secret } = webhook
  const told = { url, events: [...eventsOf(webhook)] }
  return { webhook: secret === undefined ? { ...told, secret: (await webhooks.secrets.current(owner)).secret } : told }
}
