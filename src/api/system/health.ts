import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import type { ApiContext } from '../context.ts'
import { sharedAnswer } from '../shared-answer.ts'

/** A part that takes longer is not ready. */
const LIMIT_MS = 5000
/** Cached, since each check writes to database and payload store, and anybody may ask. */
const FRESH_MS = 1000

const Parts = Type.Object({
  database: Type.String(),
  payloads: Type.String(),
  worker: Type.Optional(Type.String({ description: 'Only where the server has one of its own.' })),
})
const Readiness = Type.Object({ status: Type.String(), checks: Parts })

/** For load balancers and supervisors; open to all. */
export function healthRoutes({
  jobs,
  payloads,
  checkWorker,
  draining,
  logger,
}: ApiContext): FastifyPluginCallbackTypebox {
  return (api, _options, done) => {
    api.get(
      '/healthz',
      {
        config: { access: 'open', unlimited: true, untraced: true },
        schema: {
          tags: ['Health'],
          summary: 'Whether the server runs',
          security: [],
          response: { 200: Type.Object({ status: Type.Literal('ok') }) },
        },
      },
      () => ({ status: 'ok' as const }),
    )

    const parts = {
      database: jobs.check.bind(jobs),
      payloads: payloads.check.bind(payloads),
      ...(checkWorker === null ? {} : { worker: checkWorker }),
    }
    const look = sharedAnswer(FRESH_MS, () => checkParts(parts, logger))
    // Draining is answered at once, without checking the parts.
    const stopping = whenAborted(draining).then(() => notAsked(parts))
    api.get(
      '/readyz',
      {
        config: { access: 'open', unlimited: true, untraced: true },
        schema: {
          tags: ['Health'],
          summary: 'Whether database, payload store and a worker answer',
          security: [],
          response: { 200: Readiness, 503: Readiness },
        },
      },
      async (_request, reply) => {
        const checks = await Promise.race([look(), stopping])
        const isReady = !draining.aborted && Object.values(checks).every((answer) => answer === 'ok')
        return await reply
          .status(isReady ? 200 : 503)
          .send({ status: isReady ? 'ready' : draining.aborted ? 'stopping' : 'not ready', checks })
      },
    )
    done()
  }
}

async function checkParts(
  parts: Readonly<Record<string, (signal: AbortSignal) => Promise<void>>>,
  logger: ApiContext['logger'],
): Promise<Type.Static<typeof Parts>> {
  const answers = await Promise.all(
    Object.entries(parts).map(async ([name, check]) => {
      try {
        const signal = AbortSignal.timeout(LIMIT_MS)
        await Promise.race([check(signal), rejectOn(signal)])
        return [name, 'ok'] as const
      } catch (error) {
        logger.warn({ err: error, part: name }, 'not ready')
        return [name, 'does not answer'] as const
      }
    }),
  )
  return Object.fromEntries(answers) as Type.Static<typeof Parts>
}

function notAsked(parts: object): Type.Static<typeof Parts> {
  return Object.fromEntries(Object.keys(parts).map((name) => [name, 'not asked'])) as Type.Static<typeof Parts>
}

async function whenAborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  signal.addEventListener('abort', () => resolve(), { once: true })
  if (!signal.aborted) await promise
}

async function rejectOn(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>()
  signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  return await promise
}
