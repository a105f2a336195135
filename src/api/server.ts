import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import fastify, { LogController } from 'fastify'
import type { FastifyInstance } from 'fastify'
import type { ApiContext } from './context.ts'
import { addCors } from './cors.ts'
import { handleError, handleNotFound } from './error-handler.ts'
import { healthRoutes } from './health.ts'
import { addMetrics } from './metrics.ts'
import { modelRoutes } from './models.ts'
import { OPENAPI, UI } from './openapi.ts'
import { addRateLimit } from './rate-limit.ts'
import { resumableUploadRoutes } from './resumable-uploads.ts'
import { requestRoutes } from './requests.ts'
import { submissionRoutes } from './submissions.ts'
import { syncRoutes } from './sync.ts'
import { uploadUrlRoutes } from './upload-urls.ts'
import { uploadRoutes } from './uploads.ts'
import { answerUnknownExpectations } from './expectation.ts'

/** Bodies of JSON; recordings have limits of their own. */
const MAX_JSON_BYTES = 2 ** 20
/** A connection that carries nothing for so long is closed; one that carries a slow upload may take for ever. */
const IDLE_MS = 300_000

/** The HTTP API, not yet listening. */
export async function buildApi(context: ApiContext): Promise<FastifyInstance> {
  const { settings, logger } = context
  const api = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    // Requests are not logged, so a logger for each of them would be made for nothing.
    childLoggerFactory: (parent) => parent,
    trustProxy: settings.trustedProxies.length === 0 ? false : [...settings.trustedProxies],
    bodyLimit: MAX_JSON_BYTES,
    // Node's own limit of 300 s for a whole request would end long uploads.
    requestTimeout: 0,
    connectionTimeout: Math.max(IDLE_MS, settings.syncTimeoutMs + IDLE_MS),
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 1000 },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false, allErrors: false } },
  })
  api.setErrorHandler(handleError)
  api.setNotFoundHandler(handleNotFound)

  // Whatever Content-Type a client sends with JSON, or none at all, as many do.
  const parseJson = api.getDefaultJsonParser('error', 'error')
  api.removeAllContentTypeParsers()
  api.addContentTypeParser('*', { parseAs: 'string' }, (request, body, done) => {
    if (body.length === 0) done(null, undefined)
    else void parseJson(request, body.toString(), done)
  })

  addMetrics(api, context)
  addCors(api, settings.corsOrigins)
  if (settings.maxRequestsPerSecond !== null) await addRateLimit(api, settings.maxRequestsPerSecond)
  await api.register(swagger, OPENAPI)
  await api.register(uploadUrlRoutes(context))
  await api.register(uploadRoutes(context))
  const { resumable } = context.payloads
  if (resumable !== null) await api.register(resumableUploadRoutes(context, resumable))
  await api.register(submissionRoutes(context))
  await api.register(requestRoutes(context))
  await api.register(syncRoutes(context))
  await api.register(modelRoutes(context))
  await api.register(healthRoutes(context))
  api.get('/openapi.json', { schema: { hide: true } }, () => api.swagger())
  await api.register(swaggerUi, UI)
  answerUnknownExpectations(api.server)
  return api
}
