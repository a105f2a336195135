import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import type { Static } from 'typebox'
import type { Scope } from '../../contract/scope.ts'
import { KeyError } from '../authentication/key-errors.ts'
import { mayUse, requireScope } from '../authentication/principal.ts'
import type { Confinement, Principal } from '../authentication/principal.ts'
import { MAX_TOKEN_LENGTH, signToken } from '../authentication/tokens.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/api-error.ts'
import { nullable } from '../nullable.ts'
import { errors } from '../schemas.ts'
import { ModelList } from './key-schemas.ts'

const DEFAULT_TTL_SECONDS = 900
/** Long enough for a working day in front of a page, short enough for a token that a page lets slip. */
const MAX_TTL_SECONDS = 8 * 3600
/** Never to manage keys: a token that slips would be a way to a key that lasts. */
const TOKEN_SCOPES = ['transcribe', 'read'] as const satisfies readonly Scope[]

const Body = Type.Object(
  {
    scopes: Type.Optional(
      Type.Array(Type.Enum(TOKEN_SCOPES), {
        minItems: 1,
        uniqueItems: true,
        description: 'Some of the key’s; all of them unless they are said, but for admin, which no token has.',
      }),
    ),
    ttlSeconds: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: MAX_TTL_SECONDS,
        default: DEFAULT_TTL_SECONDS,
        description: 'How long it holds.',
      }),
    ),
    models: Type.Optional(ModelList),
    jobId: Type.Optional(Type.String({ format: 'uuid', description: 'For this job alone, one of the key’s.' })),
    uploadOnly: Type.Optional(Type.Boolean({ description: 'For asking for upload URLs alone.' })),
  },
  { additionalProperties: false },
)

const TokenSchema = Type.Object({
  token: Type.String({ description: 'To be sent as Authorization: Bearer, as a key is.' }),
  expiresAt: Type.String({ format: 'date-time' }),
  scopes: Type.Array(Type.Enum(TOKEN_SCOPES)),
  models: nullable(Type.Array(Type.String(), { description: 'Null: those of the key, by and by.' })),
  jobId: nullable(Type.String()),
  uploadOnly: Type.Boolean(),
})

/** Short-lived tokens, for pages in browsers: whoever looks into a page finds no key in it. */
export function tokenRoutes(context: ApiContext): FastifyPluginCallbackTypebox {
  return (api, _options, done) => {
    api.post(
      '/v1/tokens',
      {
        // Whatever a key may do, it may pass on.
        config: { scope: 'any' },
        schema: {
          tags: ['Keys'],
          summary: 'Make a short-lived token',
          description:
            'For a page in a browser, which no API key belongs into. It may do no more than the key by then, and ends with it. Where a ' +
            'stream of events is asked for by an EventSource, which sends no header, it may stand in the URL as ?token=.',
          // A body that is not sent counts as an empty one.
          body: nullable(Body),
          response: { 201: TokenSchema, ...errors(400, 401, 403, 404, 503) },
        },
      },
      async (request, reply) => {
        const principal = requireKey(request)
        const given = request.body ?? {}
        const scopes = scopesFor(principal, given)
        const models = modelsFor(principal, given)
        const confinement = await confinementOf(request, given, context)
        const expiresAt = endOf(principal, given.ttlSeconds ?? DEFAULT_TTL_SECONDS)
        const token = await signToken({ keyId: request.owner, scopes, models, expiresAt, confinement }, context)
        if (token.length > MAX_TOKEN_LENGTH)
          throw new ApiError(400, 'models in the body has too many or too long names.')
        const { jobId = null, uploadOnly = false } = given
        return await reply.status(201).send({
          ...{ token, scopes: [...scopes], jobId, uploadOnly },
          models: models && [...models],
          expiresAt: expiresAt.toISOString(),
        })
      },
    )
    done()
  }
}

type Given = Static<typeof Body>

/** @throws KeyError `key.token_confined`: else a token that slips could prolong itself for ever */
function requireKey({ principal }: FastifyRequest): Principal {
  if (principal !== null && principal.by === 'key') return principal
  throw new KeyError('key.token_confined', 'Tokens are made with an API key, not with another token.')
}

/** @throws KeyError `key.scope_missing`, ApiError 400 */
function scopesFor(principal: Principal, { scopes, uploadOnly }: Given): readonly (typeof TOKEN_SCOPES)[number][] {
  const asked = scopes ?? (uploadOnly === true ? ['transcribe' as const] : undefined)
  for (const scope of asked ?? []) requireScope(principal, scope)
  if (uploadOnly === true && asked?.includes('transcribe') !== true) {
    throw new ApiError(400, 'A token with uploadOnly needs the scope transcribe.')
  }
  return asked ?? TOKEN_SCOPES.filter((scope) => principal.scopes.includes(scope))
}

/** @throws KeyError `key.model_forbidden` */
function modelsFor(principal: Principal, { models }: Given): readonly string[] | null {
  const forbidden = models?.find((model) => !mayUse(principal, model))
  if (forbidden === undefined) return models ?? null
  const known = principal.models?.join(', ')
  throw new KeyError(
    'key.model_forbidden',
    `This API key may not use ${forbidden}, nor may its tokens. It may use ${known}.`,
  )
}

/** @throws ApiError 400, 404 */
async function confinementOf(
  { owner }: FastifyRequest,
  { jobId, uploadOnly }: Given,
  { jobs }: ApiContext,
): Promise<Confinement | null> {
  if (jobId === undefined) return uploadOnly === true ? { to: 'uploads' } : null
  if (uploadOnly === true)
    throw new ApiError(400, 'A token is for a job (jobId) or for uploads (uploadOnly), not for both.')
  const job = await jobs.find(jobId)
  if (job?.keyId === owner) return { to: 'job', jobId }
  throw new ApiError(404, `There is no request ${jobId}, or not of this API key.`)
}

/** No later than the key's own end. */
function endOf({ expiresAt }: Principal, ttlSeconds: number): Date {
  const atMs = Math.floor(Date.now() / 1000) * 1000 + ttlSeconds * 1000
  return new Date(Math.min(atMs, expiresAt?.getTime() ?? atMs))
}
