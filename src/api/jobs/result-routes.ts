import { hash } from 'node:crypto'
import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { TranscriptSchema } from '../../contract/transcript.ts'
import type { Job } from '../../jobs/job.ts'
import { TRANSCRIPT_FORMATS } from '../../transcript/formats.ts'
import { version } from '../../version.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/api-error.ts'
import { isCurrent } from '../http/conditional.ts'
import { addVary } from '../http/vary.ts'
import { JobParams, errors } from '../schemas.ts'
import { contentDisposition } from './file-name.ts'
import { findOwnJob } from './own-job.ts'
import { representationName } from './representation.ts'
import type { Representation } from './representation.ts'
import { ResultError } from './result-error.ts'
import {
  MEDIA_TYPES,
  TEXTS,
  askedFormat,
  fieldsField,
  formatField,
  formatNamed,
  representationOf,
  subtitleFields,
} from './result-query.ts'

const KNOWN = TRANSCRIPT_FORMATS.join(', ')
const FileParams = Type.Object({
  ...JobParams.properties,
  format: Type.String({ description: KNOWN, examples: ['srt'] }),
})
const FileQuery = Type.Object({ ...subtitleFields, ...fieldsField })
const Query = Type.Object({ ...formatField, ...FileQuery.properties })

const RESPONSE = {
  200: {
    description: 'The transcript in the format that was asked for.',
    headers: {
      etag: Type.String({ description: 'Stays the same as long as the answer does; for If-None-Match.' }),
      'content-disposition': Type.String({ description: 'A file’s name, after the recording’s.' }),
    },
    content: {
      [MEDIA_TYPES.json]: { schema: TranscriptSchema },
      ...TEXTS,
    },
  },
  304: Type.Null({ description: 'If-None-Match names what would be sent.' }),
  ...errors(400, 401, 403, 404, 406, 409, 410, 503),
}

/** The result of a job by itself, in any format. */
export function resultRoutes(context: ApiContext): FastifyPluginCallbackTypebox {
  return (api, _options, done) => {
    api.get(
      '/v1/async/requests/:id/result.:format',
      {
        config: { access: 'poll' },
        schema: {
          tags: ['Async API'],
          summary: 'The transcript as a file',
          description:
            'As text, subtitles, a table or JSON, as soon as the job has succeeded. Works with the API key, or with the signature of the ' +
            'poll URL: put /result.srt behind its path.',
          params: FileParams,
          querystring: FileQuery,
          response: RESPONSE,
        },
      },
      async (request, reply) => {
        const { id, format: name } = request.params
        const format = formatNamed(name)
        if (format === undefined) {
          throw new ApiError(404, `There is no format ${JSON.stringify(name.slice(0, 100))}. There are ${KNOWN}.`)
        }
        const asked = { id, representation: representationOf(format, request.query) }
        return await sendResult(asked, request, reply, context)
      },
    )

    api.get(
      '/v1/async/requests/:id/result',
      {
        config: { access: 'poll' },
        schema: {
          tags: ['Async API'],
          summary: 'The transcript in the format that Accept asks for',
          description: 'JSON where Accept does not say.',
          params: JobParams,
          querystring: Query,
          response: RESPONSE,
        },
      },
      async (request, reply) => {
        addVary(reply, 'Accept')
        const format = askedFormat(request, request.query.format)
        if (format === undefined) {
          throw new ApiError(406, `Accept takes ${Object.values(MEDIA_TYPES).join(', ')}; or ask for result.srt.`)
        }
        const asked = { id: request.params.id, representation: representationOf(format, request.query) }
        return await sendResult(asked, request, reply, context)
      },
    )
    done()
  }
}

interface Asked {
  /** The job's. */
  readonly id: string
  readonly representation: Representation
}

/** @throws ResultError where the job has no result; ApiError 404 without the job, 400 for what its result can't be made into */
async function sendResult(
  { id, representation }: Asked,
  request: FastifyRequest,
  reply: FastifyReply,
  context: ApiContext,
): Promise<FastifyReply> {
  const job = await findOwnJob(context.jobs, id, request.owner)
  if (job.resultKey === null) throw noResult(job)
  const { format } = representation
  // Of this version: the next one may write formats otherwise.
  const name = `result ${version} ${job.resultKey} ${representationName(representation) ?? format}`
  const etag = `W/"${hash('sha256', name, 'base64url').slice(0, 22)}"`
  // Whoever asked may keep it, and has to ask again each time: the job may be gone by then, or the key.
  const kept = { etag, 'cache-control': 'private, no-cache' }
  addVary(reply, 'Accept-Encoding')
  if (isCurrent(request, etag)) return await reply.status(304).headers(kept).send()
  const body = await context.results.get(job.resultKey, representation)
  reply.immutableName = name
  return await reply
    .headers(kept)
    .type(`${MEDIA_TYPES[format]}; charset=utf-8`)
    .header('content-disposition', contentDisposition(job.name, job.id, format))
    .send(body)
}

function noResult({ status, error }: Job): ResultError {
  if (status === 'failed' || status === 'cancelled') {
    const why = error === null ? '' : ` (${error.code})`
    return new ResultError('result.none', `The job is ${status}${why}: it has no result, and will have none.`)
  }
  return new ResultError('result.not_ready', `The job is ${status}: it has no result yet. Poll it until it is success.`)
}
