import { Readable } from 'node:stream'
import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { requireValid, verify } from './authentication.ts'
import type { ApiContext } from './context.ts'
import { ApiError } from './errors.ts'
import { UploadParams, errors } from './schemas.ts'
import { bodyBytesOf } from './tus-headers.ts'
import { emptyUpload, requireUnused } from './upload-state.ts'

/** Step 2: the recording itself, streamed into the payload store. */
export function uploadRoutes(context: ApiContext): FastifyPluginCallbackTypebox {
  const { payloads, settings } = context
  return (api, _options, done) => {
    // A header that is no media type at all would be refused before any parser is asked.
    api.addHook('onRequest', (request, _reply, next) => {
      request.headers['content-type'] = 'application/octet-stream'
      next()
    })
    api.removeAllContentTypeParsers()
    api.addContentTypeParser('*', (_request, payload, parsed) => parsed(null, payload))

    api.put(
      '/v1/input/uploads/:file',
      {
        schema: {
          tags: ['Async API'],
          summary: '2. Upload the recording',
          description: 'PUT the bytes to the presigned URL, with any or no Content-Type, and without an API key.',
          security: [],
          params: UploadParams,
          response: { 200: Type.Object({ bytes: Type.Integer() }), ...errors(400, 403, 408, 409, 413, 429, 503) },
        },
      },
      async (request, reply) => {
        const owner = await requireValid(verify(request, 'PUT', context))
        const key = `uploads/${request.params.file}`
        const beforeCommit = (): Promise<void> => requireUnused(key, context)
        await beforeCommit()
        const announced = bodyBytesOf(request)
        if (announced !== undefined && announced > settings.maxUploadBytes)
          throw tooLarge(announced, settings.maxUploadBytes)
        if (!(request.body instanceof Readable)) throw emptyUpload()
        try {
          using hold = await context.uploads.begin(key, owner, announced, true)
          const { maxBytes } = hold
          const { bytes } = await payloads.write(key, request.body, { maxBytes, bodyBytes: announced, beforeCommit })
          await hold.keep(bytes)
          if (bytes > 0) return { bytes }
        } catch (error) {
          // What the client still sends is not read any more.
          void reply.header('connection', 'close')
          throw error
        }
        await payloads.remove(key)
        throw emptyUpload()
      },
    )
    done()
  }
}

function tooLarge(bytes: number, limit: number): ApiError {
  return new ApiError(
    413,
    `The recording has ${bytes} bytes; this server takes up to ${limit} (SOTTO_MAX_UPLOAD_BYTES).`,
  )
}
