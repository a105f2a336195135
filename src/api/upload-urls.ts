import { randomUUID } from 'node:crypto'
import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { authenticate } from './authentication.ts'
import type { ApiContext } from './context.ts'
import { ApiError } from './errors.ts'
import { errors } from './schemas.ts'
import { uploadUrl } from './urls.ts'

const EXTENSION = /^\.?([a-z\d]{1,16})$/i

/** Step 1: a place to upload to. */
export function uploadUrlRoutes(context: ApiContext): FastifyPluginCallbackTypebox {
  return (api, _options, done) => {
    api.post(
      '/v1/input/upload-url',
      {
        schema: {
          tags: ['Async API'],
          summary: '1. Ask for an upload URL',
          querystring: Type.Object({
            extension: Type.Optional(
              Type.String({ description: 'Extension of the recording. Required.', examples: ['mp3'] }),
            ),
          }),
          response: {
            201: Type.Object({ uploadUrl: Type.Object({ PUT: Type.String({ description: 'A presigned URL.' }) }) }),
            ...errors(400, 401),
          },
        },
      },
      async (request, reply) => {
        const owner = await authenticate(request, context)
        const given = request.query.extension
        const extension = EXTENSION.exec(given ?? '')?.[1]?.toLowerCase()
        if (extension === undefined) {
          const got = given === undefined ? 'none' : JSON.stringify(given.slice(0, 100))
          throw new ApiError(
            400,
            `The query parameter extension takes 1 to 16 letters and digits, such as mp3; got ${got}.`,
          )
        }
        const PUT = uploadUrl(request, `${randomUUID()}.${extension}`, owner, context)
        return await reply.status(201).send({ uploadUrl: { PUT } })
      },
    )
    done()
  }
}
