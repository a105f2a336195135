import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import fastify, { LogController } from 'fastify'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { asrRoutes } from './asr/asr.ts'
import { addAuthorisation } from './authentication/authorised.ts'
import { KeyUses } from './authentication/key-uses.ts'
import { Background } from './background.ts'
import { jsonParser, jsonText } from './bodies/json.ts'
import { addConnectionEnds, answerBrokenHttp } from './http/connection.ts'
import type { ApiContext, ApiParts } from './context.ts'
import { addCompression } from './http/compression.ts'
import { addCors } from './http/cors.ts'
import { eventRoutes } from './events/events.ts'
import { frameworkErrors, handleError, noRoute } from './errors/error-handler.ts'
import { addFront } from './http/front.ts'
import { healthRoutes } from './system/health.ts'
import { sendJson } from './jobs/job-body.ts'
import { keyRoutes } from './keys/keys.ts'
import { meRoutes } from './keys/me.ts'
import { tokenRoutes } from './keys/tokens.ts'
import { addMetrics } from './system/metrics.ts'
import { modelRoutes } from './system/models.ts'
import { answerOpenAiError } from './openai/errors.ts'
import { canonicalUrl } from './openai/paths.ts'
import { transcriptionRoutes } from './openai/transcriptions.ts'
import { OPENAPI, UI } from './system/openapi.ts'
import { REQUEST_LIMITS } from './http/request-limits.ts'
import { JobWaits } from './jobs/waiting.ts'
import { resumableUploadRoutes } from './uploads/resumable-uploads.ts'
import { bulkActionRoutes } from './jobs/bulk-actions.ts'
import { historyRoutes } from './jobs/history.ts'
import { jobChangeRoutes } from './jobs/job-changes.ts'
import { jobListRoutes } from './jobs/job-list.ts'
import { requestRoutes } from './jobs/requests.ts'
import { resultRoutes } from './jobs/result-routes.ts'
import { retryRoutes } from './jobs/retry.ts'
import { submissionRoutes } from './jobs/submissions.ts'
import { syncRoutes } from './jobs/sync.ts'
import { usageRoutes } from './system/usage.ts'
import { uploadUrlRoutes } from './uploads/upload-urls.ts'
import { uploadRoutes } from './uploads/uploads.ts'
import { deliveryRoutes } from './webhooks/delivery-routes.ts'
import { webhookRoutes } from './webhooks/webhook-routes.ts'
import { answerUnknownExpectations } from './http/expectation.ts'
import { ModelNames } from '../models/model-names.ts'

/** A connection that carries nothing for so long is closed, such as one that waits for an answer. */
const IDLE_MS = 300_000

/** The HTTP API, not yet listening. */
export async function buildApi(parts: ApiParts, limits = REQUEST_LIMITS): Promise<FastifyInstance> {
  const { settings, logger } = parts
  const background = new Background(logger)
  const waits = new JobWaits(parts.jobs, settings.maxStreams)
  const keyUses = new KeyUses(parts.apiKeys, logger)
  const { defaultModel, modelAliases: aliases } = settings.openai
  const names = new ModelNames(parts.catalogue, {
    defaultModel,
    aliases,
    isPresent: (id) => parts.models.isPresent(id),
  })
  const context: ApiContext = { ...parts, names, limits, background, keyUses, waits }
  const api = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    // Requests are not logged, so a logger for each of them would be made for nothing.
    childLoggerFactory: (parent) => parent,
    trustProxy: settings.trustedProxies.length === 0 ? false : [...settings.trustedProxies],
    frameworkErrors: frameworkErrors(settings.corsOrigins),
    clientErrorHandler: answerBrokenHttp,
    // Node's own limit of 300 s for a whole request would end long uploads.
    requestTimeout: 0,
    connectionTimeout: Math.max(IDLE_MS, settings.syncTimeoutMs + IDLE_MS),
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 1000 },
    rewriteUrl: ({ url = '/' }) => canonicalUrl(url),
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false, allErrors: false } },
  })
  api.setErrorHandler((error, request, reply) => answerOpenAiError(error, request, reply, handleError))
  api.setNotFoundHandler((request) => {
    throw noRoute(request)
  })

  // Before the server waits for the answers that are under way.
  api.addHook('preClose', (closed) => {
    waits.close()
    closed()
  })
  api.addHook('onClose', async () => {
    await background.close()
    await keyUses[Symbol.asyncDispose]()
  })

  // Preflights carry no key.
  addCors(api, settings.corsOrigins)
  addConnectionEnds(api, limits.lingerMs)
  addCompression(api)
  addFront(api, limits)
  addAuthorisation(api, context)

  const parseJson = jsonParser(api, limits)
  api.removeAllContentTypeParsers()
  api.addContentTypeParser('*', async (request: FastifyRequest) =>
    request.held === null ? undefined : await parseJson(request, await jsonText(request, limits, request.held.json)),
  )

  addMetrics(api, context)
  await api.register(swagger, OPENAPI)
  await api.register(uploadUrlRoutes(context))
  await api.register(uploadRoutes(context))
  const { uploads } = context.payloads
  if (uploads.kind === 'api') await api.register(resumableUploadRoutes(context, uploads))
  await api.register(submissionRoutes(context))
  await api.register(requestRoutes(context))
  await api.register(eventRoutes(context))
  await api.register(retryRoutes(context))
  await api.register(historyRoutes(context))
  await api.register(bulkActionRoutes(context))
  await api.register(jobListRoutes(context))
  await api.register(jobChangeRoutes(context))
  await api.register(resultRoutes(context))
  await api.register(webhookRoutes(context))
  await api.register(deliveryRoutes(context))
  await api.register(syncRoutes(context))
  await api.register(modelRoutes(context))
  await api.register(usageRoutes(context))
  await api.register(keyRoutes(context))
  await api.register(tokenRoutes(context))
  await api.register(meRoutes(context))
  await api.register(transcriptionRoutes(context))
  await api.register(asrRoutes(context))
  await api.register(healthRoutes(context))
  let document: string | undefined
  api.get('/openapi.json', { schema: { hide: true }, config: { access: 'open' } }, (_request, reply) => {
    reply.immutableName = 'openapi'
    return sendJson(reply, (document ??= JSON.stringify(api.swagger())))
  })
  await api.register(swaggerUi, UI)
  answerUnknownExpectations(api.server)
  return api
}
