import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import type { Static } from 'typebox'
import { version } from '../../version.ts'
import { mayUse } from '../authentication/principal.ts'
import type { Principal } from '../authentication/principal.ts'
import type { ApiContext, ApiSettings } from '../context.ts'
import { nullable } from '../nullable.ts'
import { errors } from '../schemas.ts'
import { KeySchema, keyBody } from './key-schemas.ts'

const amount = (description: string) => nullable(Type.Integer({ description: `${description} Null: any number.` }))

const LimitsSchema = Type.Object({
  queuedJobs: amount('Jobs that may wait.'),
  runningJobs: amount('Jobs that may run at the same time.'),
  audioSecondsPerDay: amount('Seconds of audio that may be submitted on one day of UTC.'),
  requestsPerMinute: amount('Requests that one server answers in a minute.'),
  requestsPerSecond: amount('Requests that one server answers in a second.'),
})

const MeSchema = Type.Object({
  key: Type.Pick(KeySchema, ['id', 'name', 'prefix', 'scopes', 'models', 'expiresAt']),
  by: Type.Enum(['key', 'token'], {
    description: 'What was sent. Of a token, scopes, models and expiresAt are the token’s.',
  }),
  limits: LimitsSchema,
  usage: Type.Object({
    queuedJobs: Type.Integer({ description: 'That wait now.' }),
    runningJobs: Type.Integer({ description: 'That run now.' }),
    audioSecondsToday: nullable(
      Type.Number({ description: 'Submitted since midnight UTC; null: not counted, since there is no limit of it.' }),
    ),
  }),
  version: Type.String(),
  features: Type.Object(
    {
      resumableUploads: Type.Boolean({ description: 'Uploads go on where they broke off: tus.' }),
      directUploads: Type.Boolean({ description: 'Uploads go to an S3, in parts if asked for.' }),
      gpu: Type.Boolean({ description: 'Jobs of the tier gpuflex are taken.' }),
    },
    { description: 'What not every server has.' },
  ),
  defaultModel: Type.String({ description: 'What is used where nobody names a model.' }),
})

/** Who asks, and what there is for them. */
export function meRoutes(context: ApiContext): FastifyPluginCallbackTypebox {
  const { jobs, payloads, servesGpuTier, settings } = context
  const { kind } = payloads.uploads
  return (api, _options, done) => {
    api.get(
      '/v1/me',
      {
        config: { scope: 'any' },
        schema: {
          tags: ['Keys'],
          summary: 'Show the API key that asks, its limits and what the server has',
          response: { 200: MeSchema, ...errors(401, 503) },
        },
      },
      async ({ principal }) => {
        if (principal === null) throw new Error('/v1/me was reached without a key')
        const { key, scopes, models, expiresAt } = principal
        const [usage, gpu, defaultModel] = await Promise.all([
          jobs.usage(key.id, key.limits),
          servesGpuTier(),
          defaultModelOf(principal, context),
        ])
        return {
          key: keyBody({ ...key, scopes, models, expiresAt }),
          by: principal.by === 'token' ? ('token' as const) : ('key' as const),
          limits: limitsOf(principal, settings),
          usage,
          version,
          features: { resumableUploads: kind === 'api', directUploads: kind === 'direct', gpu },
          defaultModel,
        }
      },
    )
    done()
  }
}

function limitsOf({ key: { limits } }: Principal, settings: ApiSettings): Static<typeof LimitsSchema> {
  const { requestsPerMinute = null, ...own } = limits
  const isOwnRate = limits.requestsPerMinute !== undefined
  return {
    ...settings.keyLimits,
    ...own,
    requestsPerMinute,
    requestsPerSecond: isOwnRate ? null : settings.maxRequestsPerSecond,
  }
}

/** What OpenAI's names stand for, if the key may use it. */
async function defaultModelOf(principal: Principal, { names }: ApiContext): Promise<string> {
  const { id } = await names.defaultModel()
  return mayUse(principal, id) ? id : (principal.models?.[0] ?? id)
}
