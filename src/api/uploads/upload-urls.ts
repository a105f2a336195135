import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import type { Static } from 'typebox'
import { Upload } from '../../payloads/uploads/upload.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/api-error.ts'
import { errors } from '../schemas.ts'
import { uploadUrl } from '../urls.ts'

const EXTENSION = /^\.?([a-z\d]{1,16})$/i
/** As many as S3 takes, and as few bytes as each of them but the last has. */
const [MAX_PARTS, MIN_PART_BYTES] = [10_000, 5 * 2 ** 20]
/** So few cost nothing to sign, whether a recording can have them or not. */
const FREE_PARTS = 100

const Query = Type.Object({
  extension: Type.Optional(Type.String({ description: 'Extension of the recording. Required.', examples: ['mp3'] })),
  parts: Type.Optional(
    Type.String({
      description:
        `How many URLs for parts to answer with as well, where recordings go to an S3: 1 to ${FREE_PARTS}, or to as many parts of 5 MiB ` +
        `as the largest recording has, and ${MAX_PARTS} at most.`,
      examples: ['12'],
    }),
  ),
})

const UploadUrl = Type.Object({
  PUT: Type.String({ description: 'A presigned URL, for the whole recording; it is what to submit.' }),
  parts: Type.Optional(
    Type.Array(Type.String(), {
      description:
        'Presigned URLs to PUT the recording to in parts instead, in any order and at the same time: each but the last has 5 ' +
        'MiB to 5 GiB. Those that were used, from the first on, make the recording when PUT is submitted. Only when parts were ' +
        'asked for, and not where recordings are kept by the server itself: PUT takes any size there.',
    }),
  ),
})

/** Step 1: a place to upload to. */
export function uploadUrlRoutes(context: ApiContext): FastifyPluginCallbackTypebox {
  const { settings } = context
  // Each takes a signature, so that more than can be used are not asked for.
  const usableParts = Math.max(FREE_PARTS, Math.ceil(settings.maxUploadBytes / MIN_PART_BYTES))
  const maxParts = Math.min(MAX_PARTS, usableParts)
  return (api, _options, done) => {
    api.post(
      '/v1/input/upload-url',
      {
        schema: {
          tags: ['Async API'],
          summary: '1. Ask for an upload URL',
          querystring: Query,
          response: { 201: Type.Object({ uploadUrl: UploadUrl }), ...errors(400, 401, 503) },
        },
      },
      async (request, reply) => {
        const extension = readExtension(request.query.extension)
        const parts = readParts(request.query.parts, maxParts, settings.maxUploadBytes)
        const upload = Upload.mint(context.signingSecret, request.owner, extension)
        return await reply.status(201).send({ uploadUrl: await urlsOf(upload, parts, request, context) })
      },
    )
    done()
  }
}

async function urlsOf(
  upload: Upload,
  parts: number | undefined,
  request: FastifyRequest,
  context: ApiContext,
): Promise<Static<typeof UploadUrl>> {
  const { uploads } = context.payloads
  if (uploads.kind === 'api') return { PUT: await uploadUrl(request, upload, request.owner, context) }
  const expiresInSeconds = context.settings.uploadUrlTtlSeconds
  const presigned = await uploads.presign(upload.key, { expiresInSeconds, ...(parts === undefined ? {} : { parts }) })
  return presigned.parts === undefined ? { PUT: presigned.url } : { PUT: presigned.url, parts: [...presigned.parts] }
}

function readExtension(given: string | undefined): string {
  const extension = EXTENSION.exec(given ?? '')?.[1]?.toLowerCase()
  if (extension !== undefined) return extension
  throw new ApiError(
    400,
    `The query parameter extension takes 1 to 16 letters and digits, such as mp3; got ${shown(given)}.`,
  )
}

function readParts(given: string | undefined, maxParts: number, maxUploadBytes: number): number | undefined {
  if (given === undefined) return undefined
  const parts = Number(given)
  if (/^\d+$/.test(given) && parts >= 1 && parts <= maxParts) return parts
  throw new ApiError(
    400,
    `The query parameter parts takes an integer from 1 to ${maxParts} where recordings have up to ${maxUploadBytes} bytes ` +
      `(SOTTO_MAX_UPLOAD_BYTES); got ${shown(given)}.`,
  )
}

function shown(given: string | undefined): string {
  return given === undefined ? 'none' : JSON.stringify(given.slice(0, 100))
}
