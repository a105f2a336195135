import { Readable } from 'node:stream'
import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import type { FastifyRequest } from 'fastify'
import { arrivingBody, isEncoded, streamOf } from '../bodies/arriving.ts'
import { isForm, readForm } from '../bodies/form.ts'
import { nameOfFile } from '../../jobs/job-labels.ts'
import { UPLOADS_PATH, keyOfFile } from '../../payloads/uploads/upload.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/api-error.ts'
import { UploadParams, errors } from '../schemas.ts'
import { bodyBytesOf } from './tus-headers.ts'
import { emptyUpload, requireUnused } from './upload-state.ts'

/** Step 2: the recording itself, streamed into the payload store. */
export function uploadRoutes(context: ApiContext): FastifyPluginCallbackTypebox {
  const { payloads, settings, limits } = context
  return (api, _options, done) => {
    api.removeAllContentTypeParsers()
    api.addContentTypeParser('*', (_request, payload, parsed) => parsed(null, payload))

    api.put(
      `${UPLOADS_PATH}/:file`,
      {
        config: { access: 'upload' },
        schema: {
          tags: ['Async API'],
          summary: '2. Upload the recording',
          description:
            'PUT the bytes to the presigned URL, with any or no Content-Type, and without an API key. Of a multipart/form-data form ' +
            'its file is taken, whose name becomes that of jobs without one, and a body with Content-Encoding gzip, deflate or br is decoded. A later PUT takes over from one that is ' +
            'under way, which is answered with 423.',
          security: [],
          params: UploadParams,
          response: {
            200: Type.Object({ bytes: Type.Integer() }),
            ...errors(400, 403, 408, 409, 413, 415, 423, 429, 503),
          },
        },
      },
      async (request) => {
        const key = keyOfFile(request.params.file)
        requireWhole(request)
        const requireFree = (): Promise<void> => requireUnused(key, context)
        await requireFree()
        const announced = bodyBytesOf(request)
        if (announced !== undefined && announced > settings.maxUploadBytes)
          throw tooLarge(announced, settings.maxUploadBytes)
        if (!(request.body instanceof Readable) || request.held === null) throw emptyUpload()
        const fields = { maxFieldBytes: limits.jsonBytes, onFieldBytes: request.held.json.take }
        const bodyBytes = isEncoded(request) ? undefined : announced
        using hold = await context.uploads.beginWhole({ key, owner: request.owner, bytes: bodyBytes })
        const body = arrivingBody(request, limits, { signal: hold.signal })
        const form = isForm(request.contentType) ? await readForm(body, request.contentType, fields) : null
        const { bytes } = await payloads.write(key, streamOf(requireContent(form?.file ?? body)), {
          ...{ maxBytes: hold.maxBytes, bodyBytes, signal: hold.signal },
          beforeCommit: async () => {
            await form?.fields
            await requireFree()
          },
        })
        await hold.keep(bytes, nameOfFile(form?.fileName ?? ''))
        return { bytes }
      },
    )
    done()
  }
}

/** @throws ApiError 400 for a part of a recording, which would replace the whole: RFC 9110, 14.5 */
function requireWhole({ headers }: FastifyRequest): void {
  const range = headers['content-range']
  if (range === undefined) return
  throw new ApiError(
    400,
    `A PUT replaces the whole upload, so it can’t have a Content-Range (${range.slice(0, 100)}). To go on with an upload, use PATCH as ` +
      'docs/api.md#resumable-uploads says; nothing was changed.',
  )
}

/** The body; an empty one fails, so that no empty object is made. */
async function* requireContent(body: Readable): AsyncGenerator<Uint8Array> {
  let isEmpty = true
  for await (const chunk of body) {
    isEmpty = false
    yield chunk
  }
  if (isEmpty) throw emptyUpload()
}

function tooLarge(bytes: number, limit: number): ApiError {
  return new ApiError(
    413,
    `The recording has ${bytes} bytes; this server takes up to ${limit} (SOTTO_MAX_UPLOAD_BYTES).`,
  )
}
