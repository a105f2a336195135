import Type from 'typebox'
import { WEBHOOK_EVENT_TYPES } from '../../contract/webhook-event.ts'
import { ATTEMPT_CODES, DROPPED_CODES } from '../../webhooks/delivery-codes.ts'
import { WEBHOOK_INCLUDES } from '../../webhooks/endpoint.ts'
import { nullable } from '../nullable.ts'

const MAX_URL_LENGTH = 2048
const MAX_SECRET_LENGTH = 128

const url = Type.String({
  maxLength: MAX_URL_LENGTH,
  description: 'http or https, of a host that this server may reach.',
})
const secret = Type.String({
  maxLength: MAX_SECRET_LENGTH,
  description: '`whsec_` and the base64 of 24 to 64 random bytes; by default the API key’s own secret.',
})
const Events = Type.Array(Type.Enum(WEBHOOK_EVENT_TYPES), { minItems: 1, maxItems: WEBHOOK_EVENT_TYPES.length })
const Include = Type.Array(Type.Enum(WEBHOOK_INCLUDES), { maxItems: WEBHOOK_INCLUDES.length })
const time = Type.String({ format: 'date-time' })

/** A webhook as a client asks for it: of one job, or as the default of its key. */
export const WebhookField = Type.Object(
  {
    url,
    events: Type.Optional(
      Type.Unsafe<Type.Static<typeof Events>>({ ...Events, description: 'By default how jobs end.' }),
    ),
    secret: Type.Optional(secret),
    include: Type.Optional(
      Type.Unsafe<Type.Static<typeof Include>>({
        ...Include,
        description: '`result`: the transcript goes along, if it has no more than 4 MiB.',
      }),
    ),
  },
  { additionalProperties: false, description: 'Where to tell what happens to the job, by Standard Webhooks 1.0.' },
)

/** What a submit is answered with that names a webhook. */
export const SubmittedWebhookSchema = Type.Object(
  {
    url: Type.String(),
    events: Events,
    secret: Type.Optional(
      Type.String({ description: 'The API key’s secret, which signs it; absent where the webhook has its own.' }),
    ),
  },
  { description: 'Only where this request has submitted the job, and has named a webhook.' },
)

export const DefaultWebhookSchema = Type.Object({
  url: Type.String(),
  events: Events,
  include: Include,
  hasSecret: Type.Boolean({ description: 'Whether it has a secret of its own, which is not shown.' }),
  updatedAt: time,
  disabledAt: nullable(
    Type.String({ format: 'date-time', description: 'When it answered with 410; null: it is told.' }),
  ),
  secret: Type.Optional(
    Type.String({ description: 'In the answer to PUT alone: the API key’s secret, if that signs it.' }),
  ),
})

export const SecretSchema = Type.Object({
  secret: Type.String({ description: 'What signs the webhooks of this API key that have no secret of their own.' }),
  previousUntil: nullable(
    Type.String({ format: 'date-time', description: 'Until when the one before signs as well; null: there is none.' }),
  ),
})

export const RotateBody = Type.Object(
  {
    overlapSeconds: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 604_800,
        default: 86_400,
        description: 'How long the secret before signs as well.',
      }),
    ),
  },
  { additionalProperties: false },
)

export const TestBody = Type.Object(
  { url: Type.Optional(url), secret: Type.Optional(secret) },
  { additionalProperties: false },
)

const attemptFields = {
  durationMs: Type.Integer(),
  status: nullable(Type.Integer({ description: 'The HTTP status of the answer; null: there was none.' })),
  code: nullable(
    Type.String({ description: `null: it succeeded; else one of ${Object.keys(ATTEMPT_CODES).join(', ')}.` }),
  ),
  detail: nullable(Type.String({ description: 'The Location of a redirect, or the system’s word for what is wrong.' })),
  answer: nullable(Type.String({ description: 'The first 1,024 bytes of the answer.' })),
}

export const TestSchema = Type.Object({ delivered: Type.Boolean(), ...attemptFields })

export const DeliveryParams = Type.Object({
  id: Type.String({ description: 'The id that submit returned.' }),
  deliveryId: Type.String({ maxLength: 100, description: 'The `webhook-id`.' }),
})

export const DeliverySchema = Type.Object({
  id: Type.String({ description: 'The `webhook-id`, the same for all attempts.' }),
  type: Type.String({ description: 'The type of the event.' }),
  url: nullable(Type.String({ description: 'null: the API key’s default webhook.' })),
  status: Type.Enum(['pending', 'delivered', 'failed', 'dropped'], {
    description: 'dropped: it is not sent, and `droppedBecause` says why.',
  }),
  droppedBecause: nullable(Type.String({ description: `One of ${Object.keys(DROPPED_CODES).join(', ')}.` })),
  at: Type.String({ format: 'date-time', description: 'When it happened.' }),
  nextAttemptAt: nullable(Type.String({ format: 'date-time', description: 'null: there is none.' })),
  attempts: Type.Array(Type.Object({ at: time, ...attemptFields }), { description: 'The last 50, the oldest first.' }),
})

export const DeliveriesSchema = Type.Object({
  deliveries: Type.Array(DeliverySchema, { description: 'The last 100, the newest first.' }),
})
