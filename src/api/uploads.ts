import { Readable } from 'node:stream'
import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { requireValid, verify } from './authentication.ts'
import type { ApiContext } from './context.ts'
import { ApiError } from './errors.ts'
import { errors } from './schemas.ts'

/** Step 2: the recording itself, streamed into the payload store. */
export function uploadRoutes(context: ApiContext): FastifyPluginCallbackTypebox {
  const { jobs, payloads, settings } = context
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
          params: Type.Object({ file: Type.String({ pattern: '^[\\da-f-]{36}\\.[a-z\\d]{1,16}$' }) }),
          response: { 200: Type.Object({ bytes: Type.Integer() }), ...errors(400, 403, 408, 409, 413, 503) },
        },
      },
      async (request, reply) => {
        requireValid(verify(request, 'PUT', context))
        const key = `uploads/${request.params.file}`
        const requireUnused = async (): Promise<void> => {
          if (await jobs.usesPayload(key)) {
            throw new ApiError(
              409,
              'This upload was submitted already, so it can’t be replaced. Ask for a new upload URL.',
            )
          }
        }
        await requireUnused()
        const announced = Number(request.headers['content-length'] ?? 0)
        if (announced > settings.maxUploadBytes) throw tooLarge(announced, settings.maxUploadBytes)
        if (!(request.body instanceof Readable)) throw empty()
        try {
          const { bytes } = await payloads.write(key, request.body, {
            maxBytes: settings.maxUploadBytes,
            beforeCommit: requireUnused,
          })
          if (bytes > 0) return { bytes }
        } catch (error) {
          // What the client still sends is not read any more.
          void reply.header('connection', 'close')
          throw error
        }
        await payloads.remove(key)
        throw empty()
      },
    )
    done()
  }
}

function empty(): ApiError {
  return new ApiError(400, 'The upload has no content. PUT the bytes of the recording.')
}

function tooLarge(bytes: number, limit: number): ApiError {
  return new ApiError(
    413,
    `The recording has ${bytes} bytes; this server takes up to ${limit} (SOTTO_MAX_UPLOAD_BYTES).`,
  )
}
