import Type from 'typebox'
import type { TSchema } from 'typebox'
import { JOB_PRIORITIES, JOB_STATUSES, SERVICE_TIERS } from '../jobs/job.ts'
import { SCOPES } from '../contract/scope.ts'
import { SUGGESTED_MODEL } from '../models/catalogue.ts'
import type { Family } from '../models/family.ts'
import { TranscriptSchema } from '../contract/transcript.ts'
import { UPLOAD_FILE_PATTERN } from '../payloads/uploads/upload.ts'
import { PreferHeader, WaitField } from './jobs/waiting.ts'
import { RemoveAfterField, jobOptionFields } from './jobs/job-options.ts'
import { MetadataField, NameField } from './jobs/job-labels.ts'
import { nullable } from './nullable.ts'
import { SubmittedWebhookSchema, WebhookField } from './webhooks/webhook-schemas.ts'

export const ErrorSchema = Type.Object(
  {
    code: Type.Integer({ description: 'The HTTP status.' }),
    message: Type.String({ description: 'What is wrong, and what to do.' }),
    reason: Type.Optional(
      Type.String({ description: 'Where a valid API key is not enough: why.', examples: ['key.scope_missing'] }),
    ),
    scope: Type.Optional(Type.Enum(SCOPES, { description: 'The scope that the API key lacks.' })),
  },
  { description: 'An error.' },
)

/** The errors that a route answers with, for the OpenAPI document. */
export function errors(...statuses: readonly number[]): Record<number, typeof ErrorSchema> {
  return Object.fromEntries(statuses.map((status) => [status, ErrorSchema]))
}

export const TierQuery = Type.Object({
  serviceTier: Type.Optional(
    Type.Enum(SERVICE_TIERS, {
      default: 'cpuflex',
      description: 'cpuflex runs on a CPU, gpuflex on a GPU where there is one.',
    }),
  ),
})

export const SubmitQuery = Type.Object({ ...TierQuery.properties, wait: WaitField })

export const ModelParams = Type.Object({
  vendor: Type.String({ description: 'tiyarofs', examples: ['tiyarofs'] }),
  version: Type.String({ description: '1', examples: ['1'] }),
  publisher: Type.String({ examples: [SUGGESTED_MODEL.publisher] }),
  model: Type.String({ examples: [SUGGESTED_MODEL.name] }),
})

export const JobParams = Type.Object({ id: Type.String({ description: 'The id that submit returned.' }) })

export const IdempotencyHeader = Type.Object({
  'idempotency-key': Type.Optional(Type.String({ description: 'A text of your choice, new for each new request.' })),
})
export const SubmitHeaders = Type.Object({ ...PreferHeader.properties, ...IdempotencyHeader.properties })

export const UploadParams = Type.Object({ file: Type.String({ pattern: UPLOAD_FILE_PATTERN }) })

/** The URL of an S3 may carry a session's token, which has no length that Amazon would promise. */
const RecordingUrlField = Type.String({
  maxLength: 16_384,
  description:
    'The presigned URL that the recording was uploaded to, or any other http or https URL, from which it is fetched.',
})

/** @param input the schema of a model's parameters */
export function submitBody(input: TSchema) {
  const fields = {
    URL: RecordingUrlField,
    input: Type.Unsafe<unknown>(input),
    ...jobOptionFields,
    webhook: Type.Optional(WebhookField),
  }
  return Type.Object(fields, { additionalProperties: false })
}

/** What the parameters of any of these families' models may be. */
export function anyInput(families: readonly Family[]): TSchema {
  const [first, ...others] = families.map(({ parameters }) => parameters.schema)
  return first === undefined || others.length > 0
    ? Type.Union(families.map(({ parameters }) => parameters.schema))
    : first
}

export const SyncBody = Type.Object(
  {
    Bytes: Type.Optional(Type.String({ description: 'The recording, base64.' })),
    URL: Type.Optional(RecordingUrlField),
    input: Type.Optional(Type.Unknown()),
  },
  { additionalProperties: false },
)

const time = (description: string) => nullable(Type.String({ format: 'date-time', description }))

/** The status of a job that was submitted with this request. From then on it is pending. */
export const ACCEPTED = 'accepted' as const

const jobFields = {
  id: Type.String({ format: 'uuid' }),
  model: Type.String({ examples: [SUGGESTED_MODEL.id] }),
  name: nullable(NameField),
  metadata: MetadataField,
  status: Type.Enum([ACCEPTED, ...JOB_STATUSES], {
    description: 'accepted, as submit answers → pending → processing → success, failed or cancelled',
  }),
  input: nullable(
    Type.Record(Type.String(), Type.Unknown(), {
      description: 'The model’s parameters, defaults included; null: what is stored of them is damaged.',
    }),
  ),
  serviceTier: Type.Enum(SERVICE_TIERS, { description: 'The tier that was asked for.' }),
  servedTier: nullable(Type.Enum(SERVICE_TIERS, { description: 'The tier that ran it.' })),
  priority: Type.Enum(JOB_PRIORITIES),
  audioSeconds: Type.Number({
    description: 'Length of the recording, as its headers say or as guessed from its size.',
  }),
  doneSeconds: Type.Number({ description: 'How much of it has been transcribed.' }),
  queue: Type.Optional(
    Type.Object(
      {
        position: Type.Integer({ description: '1: it is next; 0: it runs.' }),
        etaSeconds: nullable(Type.Number({ description: 'Until its transcript is there; null: not known.' })),
      },
      { description: 'Only while it waits or runs.' },
    ),
  ),
  waitingFor: Type.Optional(
    Type.Object(
      { code: Type.String({ examples: ['engine.disk_full'] }), message: Type.String() },
      { description: 'Only while it waits to be tried again: why it was given back.' },
    ),
  ),
  version: Type.String({
    description:
      'Another one whenever anything of the job has changed but its place in the queue. With `wait`, give it back to hear of the next change.',
  }),
  acceptedAt: Type.String({ format: 'date-time' }),
  startedAt: time('When it was first taken up.'),
  completedAt: time('When it finished.'),
  expiresAt: time('When it is removed, with its recording and its result; null: it is kept, or has not finished.'),
  removeAfterSeconds: nullable(RemoveAfterField),
  usage: Type.Optional(
    Type.Object(
      {
        audioSeconds: Type.Number({ description: 'Seconds of audio that became text.' }),
        runSeconds: Type.Number({ description: 'Seconds that its last run took, fetching weights included.' }),
      },
      { description: 'Only when it has finished.' },
    ),
  ),
  result: nullable(TranscriptSchema),
  error: Type.Optional(
    Type.Object(
      { code: Type.String({ examples: ['audio.not_media'] }), message: Type.String() },
      { description: 'Only when the status is failed.' },
    ),
  ),
}

export const JobSchema = Type.Object(jobFields, { description: 'A job.' })
export const SubmittedSchema = Type.Object({
  response: Type.Object({
    ...jobFields,
    urls: Type.Object({
      GET: Type.String({ description: 'Where to poll; with /events behind the id, where to follow it.' }),
    }),
    webhook: Type.Optional(SubmittedWebhookSchema),
  }),
})
export const JobListSchema = Type.Object({
  requests: Type.Array(Type.Omit(JobSchema, ['result', 'queue', 'input', 'usage', 'version']), {
    description: 'Without their results, inputs and places in the queue.',
  }),
  next: nullable(Type.String({ description: 'Give it as `cursor` to get the next page; null: this is the last one.' })),
  previous: nullable(Type.String({ description: 'The same for the page before; null: this is the first one.' })),
})
