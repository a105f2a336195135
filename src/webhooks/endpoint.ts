import Type from 'typebox'
import type { Static } from 'typebox'
import { Compile } from 'typebox/compile'
import type { WebhookEvent } from '../contract/webhook-event.ts'
import type { JobWebhook } from '../jobs/job.ts'

/** What a receiver may have beside the few facts of a job: its transcript. */
export const WEBHOOK_INCLUDES = ['result'] as const

/** A receiver, as somebody named it. */
export interface Endpoint {
  readonly url: string
  readonly include: (typeof WEBHOOK_INCLUDES)[number][]
  /** `whsec_…`; null: the key's. */
  readonly secret: string | null
}

const EndpointSchema = Type.Object({
  url: Type.String(),
  include: Type.Array(Type.Enum(WEBHOOK_INCLUDES)),
  secret: Type.Union([Type.String(), Type.Null()]),
})

/** What a job and its deliveries keep: whom to tell, and what the links that he is told begin with. */
const TargetSchema = Type.Object({
  base: Type.String(),
  /** Null: the key's default, as it is when it is told. */
  endpoint: Type.Union([EndpointSchema, Type.Null()]),
})

export type Target = Static<typeof TargetSchema>

const ENDPOINT = Compile(EndpointSchema)
const TARGET = Compile(TargetSchema)

/** Undefined: it is damaged, or another version's. */
export function endpointOf(json: string): Endpoint | undefined {
  return parsed(json, ENDPOINT)
}

/** Undefined: it is damaged, or another version's. */
export function targetOf(json: string): Target | undefined {
  return parsed(json, TARGET)
}

/** What a job is submitted with. */
export function jobWebhook(keyId: string, target: Target, events: readonly WebhookEvent[]): JobWebhook {
  const host = target.endpoint === null ? '' : new URL(target.endpoint.url).host
  return { endpoint: JSON.stringify(target), events, queue: queueOf(keyId, host) }
}

/** Of one key and one host, so that a receiver that is dead delays nobody else; its default has one of its own, wherever it leads. */
function queueOf(keyId: string, host: string): string {
  return `${keyId} ${host}`
}

function parsed<Value>(json: string, schema: { Check(value: unknown): value is Value }): Value | undefined {
  try {
    const value: unknown = JSON.parse(json)
    return schema.Check(value) ? value : undefined
  } catch {
    return undefined
  }
}
