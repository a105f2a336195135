import { Readable } from 'node:stream'
import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import type { PayloadKey } from '../../payloads/payload-key.ts'
import type { ApiUploads, UploadProgress } from '../../payloads/uploads/client-uploads.ts'
import { UPLOADS_PATH, keyOfFile } from '../../payloads/uploads/upload.ts'
import { paceOf, requireUnencoded } from '../bodies/arriving.ts'
import type { ApiContext } from '../context.ts'
import { TUS_SCHEMAS } from './tus-schemas.ts'
import {
  TUS_EXTENSIONS,
  TUS_VERSION,
  bodyBytesOf,
  methodOf,
  progressHeaders,
  requirePatchType,
  requireVersion,
  uploadLengthOf,
  uploadOffsetOf,
} from './tus-headers.ts'
import { emptyUpload, requireUnused } from './upload-state.ts'

const PATH = `${UPLOADS_PATH}/:file`

/** Step 2 for connections that break: tus 1.0 on the upload URL, which stands for an upload that was created. */
export function resumableUploadRoutes(context: ApiContext, uploads: ApiUploads): FastifyPluginCallbackTypebox {
  const append = async (request: FastifyRequest, file: string) =>
    progressHeaders(request, await appendTo(keyOfFile(file), request, context, uploads))
  const remove = (file: string) => removeUpload(keyOfFile(file), context, uploads)
  return (api, _options, done) => {
    api.removeAllContentTypeParsers()
    api.addContentTypeParser('*', (_request, payload, parsed) => parsed(null, payload))
    api.addHook('onRequest', (_request, reply, next) => {
      reply.header('tus-resumable', TUS_VERSION)
      next()
    })
    // Behind the signature, and before the body.
    api.addHook('preParsing', (request, _reply, _payload, next) => {
      if (request.method !== 'OPTIONS') requireVersion(request)
      if (methodOf(request) === 'PATCH') requirePatchType(request)
      next()
    })

    api.options(PATH, { schema: TUS_SCHEMAS.options, config: { access: 'open' } }, async (_request, reply) => {
      return await reply
        .status(204)
        .headers({ 'tus-version': TUS_VERSION, 'tus-extension': TUS_EXTENSIONS })
        .header('tus-max-size', String(context.settings.maxUploadBytes))
        .send(null)
    })

    const config = { access: 'upload' } as const
    const headConfig = { ...config, swagger: { exposeHeadRoute: true } }
    api.head(PATH, { schema: TUS_SCHEMAS.head, config: headConfig }, async (request, reply) => {
      const progress = await uploads.progress(keyOfFile(request.params.file))
      const asked = uploadLengthOf(request) ?? 0
      // One that was only asked for says nothing of an upload that has so much or more.
      const length = progress.length ?? (asked > progress.offset ? asked : undefined)
      const lengthHeader = length === undefined ? { 'upload-defer-length': '1' } : { 'upload-length': String(length) }
      return await reply
        .headers({ ...progressHeaders(request, progress), ...lengthHeader })
        .serializer(() => '')
        .send(null)
    })

    api.patch(PATH, { schema: TUS_SCHEMAS.patch, config }, async (request, reply) => {
      const headers = await append(request, request.params.file)
      return await reply.status(204).headers(headers).send(null)
    })

    api.delete(PATH, { schema: TUS_SCHEMAS.delete, config }, async (request, reply) => {
      await remove(request.params.file)
      return await reply.status(204).send(null)
    })

    api.post(PATH, { schema: TUS_SCHEMAS.post, config }, async (request, reply) => {
      switch (methodOf(request)) {
        case 'PATCH': {
          const headers = await append(request, request.params.file)
          return await reply.status(204).headers(headers).send(null)
        }
        case 'DELETE':
          await remove(request.params.file)
          return await reply.status(204).send(null)
        default:
          return reply.callNotFound()
      }
    })
    done()
  }
}

async function appendTo(
  key: PayloadKey,
  request: FastifyRequest,
  context: ApiContext,
  uploads: ApiUploads,
): Promise<UploadProgress> {
  const { body } = request
  const beforeCommit = (): Promise<void> => requireUnused(key, context)
  requireUnencoded(request)
  await beforeCommit()
  const [offset, length, bodyBytes] = [uploadOffsetOf(request), uploadLengthOf(request), bodyBytesOf(request)]
  if (length === 0 || !(body instanceof Readable)) throw emptyUpload()
  const { maxUploadBytes: maxBytes } = context.settings
  const signal = paceOf(request, context.limits)
  const announced = length ?? (bodyBytes && offset + bodyBytes)
  using hold = await context.uploads.begin({ key, owner: request.owner, bytes: announced })
  try {
    const progress = await uploads.append(key, { offset, length, body, bodyBytes, maxBytes, beforeCommit, signal })
    await hold.keep(progress.offset)
    return progress
  } catch (error) {
    // What came before it broke off is there as well; the first error says more than one of counting it.
    await uploads
      .progress(key)
      .then(
        (progress) => hold.keep(progress.offset),
        () => undefined,
      )
      .catch(() => undefined)
    throw error
  }
}

async function removeUpload(key: PayloadKey, context: ApiContext, uploads: ApiUploads): Promise<void> {
  await requireUnused(key, context)
  await uploads.discard(key)
  await context.payloads.remove(key)
  await context.uploads.forget(key)
}
