import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import type { Static } from 'typebox'
import { MAX_METADATA_PAIRS, NAME_KEY } from '../../jobs/job-labels.ts'
import type { Metadata } from '../../jobs/job-labels.ts'
import type { Job } from '../../jobs/job.ts'
import type { JobChanges } from '../../jobs/job-store.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/api-error.ts'
import { nullable } from '../nullable.ts'
import { JobParams, JobSchema, errors } from '../schemas.ts'
import { jobJson, sendJson } from './job-body.ts'
import { MetadataValue, NameField, metadataOf, nameIn, requireClean, requireCleanMetadata } from './job-labels.ts'
import { RemoveAfterField, futureDate } from './job-options.ts'
import { notFound, requireOwn } from './own-job.ts'

const ChangesBody = Type.Object(
  {
    name: Type.Optional(nullable(NameField)),
    metadata: Type.Optional(
      nullable(
        metadataOf(
          nullable(MetadataValue),
          'Pairs to set; null removes one. Those that are not named stay. null: all are removed.',
        ),
      ),
    ),
    expiresAt: Type.Optional(
      nullable(Type.String({ format: 'date-time', description: 'When it is removed; null: at no time of its own.' })),
    ),
    removeAfterSeconds: Type.Optional(nullable(RemoveAfterField)),
  },
  { additionalProperties: false, minProperties: 1 },
)

/** What its user says of a job, after the submit. */
export function jobChangeRoutes(context: ApiContext): FastifyPluginCallbackTypebox {
  const { jobs } = context
  return (api, _options, done) => {
    api.patch(
      '/v1/async/requests/:id',
      {
        schema: {
          tags: ['Async API'],
          summary: 'Change a job’s name, metadata and time of removal',
          description: 'In every state. What is not named stays as it is.',
          params: JobParams,
          body: ChangesBody,
          response: { 200: JobSchema, ...errors(400, 401, 404, 503) },
        },
      },
      async (request, reply) => {
        const { id } = await requireOwn(jobs, request.params.id, request.owner)
        const changes = checked(request.body)
        const job = await jobs.change(id, (current) => changesOf(current, changes))
        if (job === undefined) throw notFound(id)
        return await sendJson(reply, await jobJson(job, context))
      },
    )
    done()
  }
}

interface Changes extends Omit<Static<typeof ChangesBody>, 'expiresAt'> {
  readonly expiresAt?: Date | null
}

/** @throws ApiError 400 */
function checked({ expiresAt, ...given }: Static<typeof ChangesBody>): Changes {
  if (typeof given.name === 'string') requireClean('name', given.name)
  requireCleanMetadata(given.metadata ?? {})
  if (expiresAt === undefined) return given
  return { ...given, expiresAt: expiresAt === null ? null : futureDate('expiresAt', expiresAt) }
}

function changesOf(job: Job, { name, metadata, ...times }: Changes): JobChanges {
  const changed = metadata === undefined ? job.metadata : merged(job.metadata, metadata)
  // The pair that names the job and its name say the same, whichever of them is changed.
  const isNamedByPair = name === undefined && metadata?.[NAME_KEY] !== undefined
  const called = isNamedByPair ? nameIn(changed) : name === undefined ? job.name : name
  return { ...times, name: called, metadata: Object.hasOwn(changed, NAME_KEY) ? renamed(changed, called) : changed }
}

function renamed(metadata: Metadata, name: string | null): Metadata {
  const { [NAME_KEY]: _, ...others } = metadata
  return name === null ? others : { ...others, [NAME_KEY]: name }
}

/** @throws ApiError 400 when there are too many pairs then */
function merged(metadata: Metadata, changes: Readonly<Record<string, string | null>> | null): Metadata {
  const pairs = Object.entries({ ...(changes === null ? {} : metadata), ...changes })
  const left = Object.fromEntries(pairs.flatMap(([key, value]) => (value === null ? [] : [[key, value] as const])))
  const count = Object.keys(left).length
  if (count <= MAX_METADATA_PAIRS) return left
  throw new ApiError(
    400,
    `metadata takes ${MAX_METADATA_PAIRS} pairs; the job would have ${count}. Remove some by giving them the value null.`,
  )
}
