import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import { JOB_PRIORITIES } from '../../jobs/job.ts'
import type { Idempotency, NewJob } from '../../jobs/job-store.ts'
import { ApiError } from '../errors/api-error.ts'
import { MetadataField, NameField, labelsOf } from './job-labels.ts'

/** Ten years. */
const MAX_KEPT_SECONDS = 315_576_000

export const RemoveAfterField = Type.Number({
  exclusiveMinimum: 0,
  maximum: MAX_KEPT_SECONDS,
  description:
    'So many seconds after it has finished, the job, its recording and its result are removed; with `expiresAt`, whichever comes first.',
})

/** What a submit may say of a job beyond what the model gets. */
export const jobOptionFields = {
  name: Type.Optional(NameField),
  metadata: Type.Optional(MetadataField),
  priority: Type.Optional(
    Type.Enum(JOB_PRIORITIES, {
      default: 'normal',
      description:
        'high comes before normal, and that before low, but what waits long enough comes before all of them.',
    }),
  ),
  startBy: Type.Optional(
    Type.String({ format: 'date-time', description: 'The job fails when it has not started by then.' }),
  ),
  timeout: Type.Optional(
    Type.Number({ exclusiveMinimum: 0, maximum: 31_622_400, description: 'How long it may run, in seconds.' }),
  ),
  expiresAt: Type.Optional(
    Type.String({
      format: 'date-time',
      description: 'When the job, its recording and its result are removed; by default as the server is set up.',
    }),
  ),
  removeAfterSeconds: Type.Optional(RemoveAfterField),
}

const JobOptionsSchema = Type.Object(jobOptionFields)
type JobOptions = Pick<
  NewJob,
  'name' | 'metadata' | 'priority' | 'startBy' | 'timeoutSeconds' | 'expiresAt' | 'removeAfterSeconds'
>

/** @throws ApiError 400 for a time that has passed, and for characters that no name may have */
export function jobOptions(given: Type.Static<typeof JobOptionsSchema>): JobOptions {
  return {
    ...labelsOf(given),
    priority: given.priority ?? 'normal',
    startBy: futureDate('startBy', given.startBy),
    timeoutSeconds: given.timeout ?? null,
    expiresAt: futureDate('expiresAt', given.expiresAt),
    removeAfterSeconds: given.removeAfterSeconds ?? null,
  }
}

/** RFC 3339's forms, and those that validators of `date-time` take beside them. */
const DATE_TIME = /^(\d{4}-\d\d-\d\d)[t\s](\d\d:\d\d):(\d\d)(\.\d+)?(?:(z)|([+-]\d\d)(?::?(\d\d))?)$/i

/** @throws ApiError 400 for what is no time, or has passed */
export function futureDate(name: string, text: string | undefined): Date | null {
  if (text === undefined) return null
  const date = dateOf(text)
  if (Number.isNaN(date.getTime())) {
    throw new ApiError(
      400,
      `${name} takes a time such as 2030-01-31T12:00:00Z; got ${JSON.stringify(text.slice(0, 100))}.`,
    )
  }
  if (date.getTime() > Date.now()) return date
  throw new ApiError(400, `${name} takes a time to come; got ${text}, and it is ${new Date().toISOString()}.`)
}

/** Not valid for what has another form. A leap second is the second after it, as the machine's own clock has it. */
export function dateOf(text: string): Date {
  const match = DATE_TIME.exec(text)
  // `Date` would guess.
  if (match === null) return new Date(Number.NaN)
  const [, day, minute, second, fraction = '', utc, hours, minutes = '00'] = match
  const zone = utc === undefined ? `${hours}:${minutes}` : 'Z'
  if (second !== '60') return new Date(`${day}T${minute}:${second}${fraction}${zone}`)
  return new Date(Date.parse(`${day}T${minute}:59${fraction}${zone}`) + 1000)
}

/**
 * The request's `Idempotency-Key`, with a hash of all that it asks for: the same key with the same request gives the same job.
 * @throws ApiError 400
 */
export function idempotencyOf(request: FastifyRequest, asked: unknown): Idempotency | null {
  const key = request.headers['idempotency-key']
  if (key === undefined) return null
  if (typeof key !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(key)) {
    throw new ApiError(400, 'The header Idempotency-Key takes 1 to 255 visible ASCII characters, such as a UUID.')
  }
  return { key, requestHash: createHash('sha256').update(canonicalJson(asked)).digest('hex') }
}

/** Canonical JSON: the same text for the same value, in whatever order its fields came. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([one], [other]) => (one < other ? -1 : 1)))
      : inner,
  )
}
