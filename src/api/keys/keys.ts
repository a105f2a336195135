import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import type { Static } from 'typebox'
import { Check } from 'typebox/value'
import { ENVIRONMENT_ID, KEY_ID_PATTERN } from '../authentication/api-key.ts'
import type { ApiKey, KeyChanges } from '../authentication/api-key.ts'
import { KeyError } from '../authentication/key-errors.ts'
import type { KeyPosition } from '../authentication/key-table.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/api-error.ts'
import { futureDate } from '../jobs/job-options.ts'
import { errors } from '../schemas.ts'
import {
  KeyChangesBody,
  KeyListSchema,
  KeySchema,
  NewKeyBody,
  NewKeySchema,
  keyBody,
  limitChanges,
} from './key-schemas.ts'

const PAGE_LENGTH = 100
const Position = Type.Tuple([Type.Number(), Type.String({ pattern: KEY_ID_PATTERN })])
const IS_KEY_ID = new RegExp(KEY_ID_PATTERN)
const KeyParams = Type.Object({ id: Type.String({ description: 'As the list shows it.' }) })

/** Keys, as an administrator manages them. Each change is a line in the log, without the key. */
export function keyRoutes(context: ApiContext): FastifyPluginCallbackTypebox {
  const { apiKeys, keyUses, logger } = context
  const config = { scope: 'admin' } as const
  const shown = (key: ApiKey): Static<typeof KeySchema> => keyBody(key, keyUses.at(key.id))

  const audit = (request: FastifyRequest, audited: string, key: Pick<ApiKey, 'id'> & KeyChanges): void => {
    const { id, name, scopes, models, expiresAt, limits } = key
    const what = { audit: audited, key: id, by: request.owner, address: request.ip }
    logger.info({ ...what, name, scopes, models, expiresAt, limits }, 'an API key was changed')
  }

  return (api, _options, done) => {
    api.get(
      '/v1/keys',
      {
        config,
        schema: {
          tags: ['Keys'],
          summary: 'List the API keys',
          querystring: Type.Object({
            after: Type.Optional(Type.String({ maxLength: 200, description: 'The `next` of the page before.' })),
          }),
          response: { 200: KeyListSchema, ...errors(400, 401, 403, 503) },
        },
      },
      async ({ query: { after } }) => {
        const { keys, last } = await apiKeys.page(after === undefined ? null : positionIn(after), PAGE_LENGTH)
        return { keys: keys.map(shown), next: last && cursorOf(last) }
      },
    )

    api.post(
      '/v1/keys',
      {
        config,
        schema: {
          tags: ['Keys'],
          summary: 'Make an API key',
          body: NewKeyBody,
          response: { 201: NewKeySchema, ...errors(400, 401, 403, 503) },
        },
      },
      async (request, reply) => {
        const { secret, ...key } = await apiKeys.create(request.body.name, changesOf(request.body))
        audit(request, 'key.made', key)
        return await reply.status(201).send({ ...shown(key), key: secret })
      },
    )

    api.get(
      '/v1/keys/:id',
      {
        config,
        schema: {
          tags: ['Keys'],
          summary: 'Show an API key',
          params: KeyParams,
          response: { 200: KeySchema, ...errors(401, 403, 404, 503) },
        },
      },
      async ({ params: { id } }) => {
        const key = await apiKeys.get(keyIdIn(id))
        if (key === undefined) throw noKey(id)
        return shown(key)
      },
    )

    api.patch(
      '/v1/keys/:id',
      {
        config,
        schema: {
          tags: ['Keys'],
          summary: 'Change what an API key may do',
          description: 'What is not given stays as it is; of limits, too.',
          params: KeyParams,
          body: KeyChangesBody,
          response: { 200: KeySchema, ...errors(400, 401, 403, 404, 409, 503) },
        },
      },
      async (request) => {
        const id = keyIdIn(request.params.id)
        findOwnJob(id)
        const changes = changesOf(request.body)
        const key = await apiKeys.update(id, changes, { keepAdmin: true })
        if (key === undefined) throw noKey(id)
        audit(request, 'key.changed', { ...changes, id })
        return shown(key)
      },
    )

    api.delete(
      '/v1/keys/:id',
      {
        config,
        schema: {
          tags: ['Keys'],
          summary: 'Revoke an API key',
          description:
            'With it end the URLs and tokens that were made for it. Its jobs stay, and an administrator sees them.',
          params: KeyParams,
          response: { 204: Type.Null({ description: 'It is revoked.' }), ...errors(401, 403, 404, 409, 503) },
        },
      },
      async (request, reply) => {
        const id = keyIdIn(request.params.id)
        findOwnJob(id)
        if (!(await apiKeys.revoke(id, { keepAdmin: true }))) throw noKey(id)
        audit(request, 'key.revoked', { id })
        return await reply.status(204).send(null)
      },
    )
    done()
  }
}

function changesOf(given: Static<typeof KeyChangesBody>): KeyChanges {
  const { name, scopes, models, expiresAt, limits } = given
  return {
    ...(name === undefined ? {} : { name }),
    ...(scopes === undefined ? {} : { scopes }),
    ...(models === undefined ? {} : { models }),
    ...(expiresAt === undefined ? {} : { expiresAt: futureDate('expiresAt', expiresAt ?? undefined) }),
    ...(limits === undefined ? {} : { limits: limitChanges(limits) }),
  }
}

/** @throws KeyError `key.of_environment` */
function findOwnJob(id: string): void {
  if (id !== ENVIRONMENT_ID) return
  throw new KeyError(
    'key.of_environment',
    'This key is what SOTTO_API_KEY and SOTTO_API_KEY_SCOPES say where the server is started, and is changed there.',
  )
}

/** @throws ApiError 404 for what can be no key's */
function keyIdIn(text: string): string {
  if (IS_KEY_ID.test(text)) return text
  throw noKey(text)
}

function noKey(id: string): ApiError {
  return new ApiError(404, `There is no API key ${id.slice(0, 100)}. GET /v1/keys lists them.`)
}

function cursorOf({ createdAt, id }: KeyPosition): string {
  return Buffer.from(JSON.stringify([createdAt, id])).toString('base64url')
}

/** @throws ApiError 400 for what no page had as its `next` */
function positionIn(cursor: string): KeyPosition {
  try {
    const position: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (Check(Position, position)) return { createdAt: position[0], id: position[1] }
  } catch {
    // No JSON: as any other wrong one.
  }
  throw new ApiError(400, 'The query parameter after takes the next of the page before, exactly as it was returned.')
}
