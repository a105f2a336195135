import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { preValidationHookHandler } from 'fastify'
import Type from 'typebox'
import type { DefaultWebhook } from '../../webhooks/defaults.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/api-error.ts'
import { goneOf } from '../http/gone.ts'
import { errors } from '../schemas.ts'
import {
  DefaultWebhookSchema,
  RotateBody,
  SecretSchema,
  TestBody,
  TestSchema,
  WebhookField,
} from './webhook-schemas.ts'
import { TestRuns } from './test-runs.ts'

const OVERLAP_SECONDS = 86_400

/** Nothing need be said. */
const withBody: preValidationHookHandler = (request, _reply, done) => {
  request.body ??= {}
  done()
}

/** What a key's webhooks are signed with, where they go by default, and whether they arrive. */
export function webhookRoutes(context: ApiContext): FastifyPluginCallbackTypebox {
  return (api, options, done) => {
    secretRoutes(context)(api, options, () => undefined)
    defaultRoutes(context)(api, options, () => undefined)
    testRoute(context)(api, options, done)
  }
}

function secretRoutes({ webhooks }: ApiContext): FastifyPluginCallbackTypebox {
  return (api, _options, done) => {
    api.get(
      '/v1/webhooks/secret',
      {
        // Whoever knows it can sign as this server.
        config: { scope: 'transcribe' },
        schema: {
          tags: ['Webhooks'],
          summary: 'The secret of this API key’s webhooks',
          response: { 200: SecretSchema, ...errors(401, 503) },
        },
      },
      async (request) => secretBody(await webhooks.secrets.current(request.owner)),
    )
    api.post(
      '/v1/webhooks/secret/rotate',
      {
        schema: {
          tags: ['Webhooks'],
          summary: 'Make another secret',
          description: 'For a time, each webhook carries a signature by each of the two.',
          body: RotateBody,
          response: { 200: SecretSchema, ...errors(400, 401, 503) },
        },
        preValidation: withBody,
      },
      async (request) => {
        const overlapSeconds = request.body.overlapSeconds ?? OVERLAP_SECONDS
        return secretBody(await webhooks.secrets.rotate(request.owner, overlapSeconds * 1000))
      },
    )
    done()
  }
}

function secretBody({ secret, previousUntil }: { readonly secret: string; readonly previousUntil: Date | null }) {
  return { secret, previousUntil: previousUntil?.toISOString() ?? null }
}

function defaultRoutes({ webhooks }: ApiContext): FastifyPluginCallbackTypebox {
  return (api, _options, done) => {
    const found = async (keyId: string): Promise<DefaultWebhook> => {
      const webhook = await webhooks.defaults.find(keyId)
      if (webhook === undefined) throw new ApiError(404, 'This API key has no default webhook. PUT one here.')
      return webhook
    }
    const schema = { tags: ['Webhooks'] }
    api.get(
      '/v1/webhooks/default',
      {
        schema: {
          ...schema,
          summary: 'Where jobs of this API key are told that name no webhook',
          response: { 200: DefaultWebhookSchema, ...errors(401, 404, 503) },
        },
      },
      async (request) => defaultBody(await found(request.owner)),
    )
    api.put(
      '/v1/webhooks/default',
      {
        schema: {
          ...schema,
          summary: 'Set it',
          description:
            'It counts for jobs that are submitted from then on, and for what is still to be told the one before.',
          body: WebhookField,
          response: { 200: DefaultWebhookSchema, ...errors(400, 401, 503) },
        },
      },
      async (request, reply) => {
        const { owner, body } = request
        await webhooks.setDefault(owner, body, goneOf(reply))
        const told = body.secret === undefined ? { secret: (await webhooks.secrets.current(owner)).secret } : {}
        return { ...defaultBody(await found(owner)), ...told }
      },
    )
    api.delete(
      '/v1/webhooks/default',
      {
        schema: {
          ...schema,
          summary: 'Remove it',
          description: 'What is still to be told is dropped.',
          response: { 204: Type.Null({ description: 'It is gone.' }), ...errors(401, 404, 503) },
        },
      },
      async (request, reply) => {
        if (!(await webhooks.defaults.remove(request.owner))) await found(request.owner)
        return await reply.status(204).send(null)
      },
    )
    done()
  }
}

function defaultBody({ endpoint, events, updatedAt, disabledAt }: DefaultWebhook) {
  return {
    url: endpoint.url,
    events: [...events],
    include: endpoint.include,
    hasSecret: endpoint.secret !== null,
    updatedAt: updatedAt.toISOString(),
    disabledAt: disabledAt?.toISOString() ?? null,
  }
}

function testRoute({ webhooks }: ApiContext): FastifyPluginCallbackTypebox {
  const runs = new TestRuns()
  return (api, _options, done) => {
    api.post(
      '/v1/webhooks/test',
      {
        schema: {
          tags: ['Webhooks'],
          summary: 'Send a test',
          description:
            'Sends an event `webhook.test` now, once, and says what came of it. By default to the default webhook.',
          body: TestBody,
          response: { 200: TestSchema, ...errors(400, 401, 404, 429, 503) },
        },
        preValidation: withBody,
      },
      async (request, reply) => {
        const gone = goneOf(reply)
        const { owner, body } = request
        const byDefault = body.url === undefined ? (await webhooks.defaults.find(owner))?.endpoint : undefined
        const url = body.url ?? byDefault?.url
        if (url === undefined) throw new ApiError(404, 'This API key has no default webhook. Name a url to be tested.')
        const secret = body.secret ?? byDefault?.secret ?? undefined
        using _ = runs.begin(owner)
        const attempt = await webhooks.test(owner, { url, ...(secret === undefined ? {} : { secret }) }, gone)
        return { delivered: attempt.code === null, ...attempt }
      },
    )
    done()
  }
}
