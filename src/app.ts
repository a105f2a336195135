import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { apiSettings } from './api-settings.ts'
import { ApiKeys } from './api/authentication/api-keys.ts'
import { Recordings } from './api/uploads/recordings.ts'
import { Results } from './api/jobs/results.ts'
import { buildApi } from './api/server.ts'
import { UploadRoom } from './api/uploads/upload-room.ts'
import { openBackend } from './backend.ts'
import type { Backend } from './backend.ts'
import type { Config } from './config/config.ts'
import type { HubConfig } from './config/hub.ts'
import { SERVER_SETTINGS } from './config/server.ts'
import { NO_TRACER } from './contract/tracing.ts'
import { openTelemetry } from './open-telemetry.ts'
import { processMetrics } from './process-metrics.ts'
import type { Telemetry } from './telemetry/telemetry.ts'
import { openTranscribers, presenceOf } from './transcribers.ts'
import { CRASH_LIMIT, startHousekeeping } from './housekeeping.ts'
import type { GarbageCollector } from './jobs/keeping/garbage-collector.ts'
import { QueueView } from './jobs/queue/queue-view.ts'
import { readUsage } from './jobs/usage/usage.ts'
import { UnsubmittedUploads } from './jobs/keeping/unsubmitted-uploads.ts'
import { WorkerRegistry } from './jobs/queue/worker-registry.ts'
import { createCatalogue } from './models/catalogue.ts'
import type { Catalogue } from './models/catalogue.ts'
import { familyOf, loadFamilies, modelFiles } from './models/index.ts'
import { ModelCache } from './hub/model-cache.ts'
import { HeaderProbe } from './probe/header-probe.ts'
import { Fetcher } from './worker/fetching/fetcher.ts'
import { OutboundGuard } from './outbound/guard.ts'
import { Worker } from './worker/worker.ts'
import { startWebhooks } from './webhook-delivery.ts'
import { openWorkFolder } from './work-folder.ts'
import { requireWritable } from './writable-folder.ts'

const FAILURE_LIMIT = 3
/** How long requests that are under way may take to end when the server stops. */
const CLOSE_GRACE_MS = 5000

/** What a process is: everything on one machine, or one of the halves of many. */
export type Role = 'serve' | 'api' | 'worker'

export interface App extends AsyncDisposable {
  /** Null for a worker. */
  readonly url: string | null
  /** The secret of the API key that this start made; null when there was one. */
  readonly firstKey: string | null
}

/** How a process is asked to end. */
export interface EndSignals {
  /** To end in order, also while it starts. */
  readonly signal: AbortSignal
  /** Not to wait any longer for those who still send requests. */
  readonly hurry: AbortSignal
}

/**
 * Starts what the role has. Disposing it stops accepting, gives running jobs back and closes what was opened.
 * @throws the signal's reason when it is aborted before all has started, and then nothing is left running
 */
export async function startApp(config: Config, logger: Logger, role: Role, ends: EndSignals): Promise<App> {
  const { signal, hurry } = ends
  signal.throwIfAborted()
  await using stack = new AsyncDisposableStack()
  const { dataDir, drainMs } = config.server
  await requireWritable(dataDir, SERVER_SETTINGS.dataDir)
  // Closed last: what ends before it is still traced.
  const telemetry = await openTelemetry(config.telemetry, logger)
  if (telemetry !== null) stack.use(telemetry)
  const { path: temporaryFolder } = stack.use(await openWorkFolder(join(dataDir, 'tmp')))
  const backend = stack.use(await openBackend(config, { temporaryFolder, logger, signal }))
  const collector = startHousekeeping(backend, config, logger, stack)
  const draining = new AbortController()
  const outside = {
    probe: stack.use(new HeaderProbe({ logger })),
    guard: new OutboundGuard({ allow: config.server.fetchAllow }),
  }
  const place = { ...outside, config, temporaryFolder, logger, telemetry, role, signal }
  const workers = role === 'api' ? [] : await startWorkers(backend, place, stack)
  signal.throwIfAborted()
  const opened =
    role === 'worker'
      ? { url: null, firstKey: null }
      : await startApi(
          backend,
          { ...outside, config, logger, telemetry, workers, collector, draining: draining.signal },
          stack,
        )
  const parts = stack.move()
  return {
    ...opened,
    async [Symbol.asyncDispose]() {
      draining.abort()
      if (opened.url !== null) await delay(drainMs, undefined, { signal: hurry }).catch(() => undefined)
      await parts.disposeAsync()
    },
  }
}

/** What strangers' bytes and URLs go through. */
interface Outside {
  readonly probe: HeaderProbe
  readonly guard: OutboundGuard
}

interface WorkerPlace extends Outside {
  readonly config: Config
  readonly temporaryFolder: string
  readonly logger: Logger
  readonly telemetry: Telemetry | null
  readonly role: Role
  readonly signal: AbortSignal
}

async function startWorkers(
  { database, jobs, payloads }: Backend,
  { config, temporaryFolder, logger, telemetry, role, signal, probe, guard }: WorkerPlace,
  stack: AsyncDisposableStack,
): Promise<readonly Worker[]> {
  const catalogue = createCatalogue(config.hub.models)
  const models = new ModelCache({ ...config.hub, catalogue, files: modelFiles })
  const transcribers = await openTranscribers({ config, catalogue, models, temporaryFolder, logger, signal })
  const tracer = telemetry?.tracer ?? NO_TRACER
  // An API has more of them.
  if (role === 'worker' && telemetry !== null) stack.use(telemetry.export(processMetrics()))
  const { leaseMs, maxRunMs } = config.jobs
  const runs = { leaseMs, maxRunMs, limits: { failures: FAILURE_LIMIT, crashes: CRASH_LIMIT } }
  const { maxUploadBytes: maxBytes, fetchTimeoutMs: limitMs } = config.payloads
  if (transcribers.length > 0) {
    stack.use(new Fetcher({ ...runs, jobs, payloads, guard, probe, logger, tracer, maxBytes, limitMs }))
  }
  return transcribers.map(({ transcriber, places, expressPlaces, served, asked }) => {
    stack.use(transcriber)
    return stack.use(
      new Worker({
        ...{ jobs, payloads, transcriber, logger, tracer, places, expressPlaces, served, asked },
        workers: new WorkerRegistry(database),
        models: role === 'worker' ? modelsOf(config.hub, catalogue) : null,
        ...runs,
      }),
    )
  })
}

/** Those that it was given, or all that it knows: other workers may know more. */
function modelsOf({ models }: HubConfig, catalogue: Catalogue): readonly string[] {
  if (models.length === 0) return catalogue.list().map(({ id }) => id)
  return models.map((model) => model.split('@')[0] ?? model)
}

async function startApi(
  backend: Backend,
  {
    config,
    logger,
    telemetry,
    workers,
    collector,
    draining,
    probe,
    guard,
  }: Outside & {
    readonly config: Config
    readonly logger: Logger
    readonly telemetry: Telemetry | null
    readonly workers: readonly Worker[]
    readonly collector: GarbageCollector
    readonly draining: AbortSignal
  },
  stack: AsyncDisposableStack,
): Promise<{ readonly url: string; readonly firstKey: string | null }> {
  const { database, jobs, payloads, signingSecret } = backend
  const probing = probe.start()
  const apiKeys = new ApiKeys(database)
  const { apiKey, apiKeyScopes, host, port } = config.server
  if (apiKey !== null) await apiKeys.setEnvironmentKey(apiKey, apiKeyScopes)
  else if (await apiKeys.hasEnvironmentKey()) {
    // Not ended here: one server that was started without the variable would shut out the clients of all.
    logger.warn('SOTTO_API_KEY is not set; the key that it gave last stays valid until sotto keys revoke environment')
  }
  const firstKey = (await apiKeys.createFirst())?.secret ?? null
  const catalogue = createCatalogue(config.hub.models)
  const registry = new WorkerRegistry(database)
  const models = new ModelCache({ ...config.hub, catalogue, files: modelFiles })
  const results = new Results(payloads)
  const tracer = telemetry?.tracer ?? NO_TRACER
  const metrics = processMetrics()
  const api = await buildApi({
    ...{ jobs, payloads, catalogue, apiKeys, signingSecret, results, draining, tracer, metrics, logger },
    queue: new QueueView(database, registry),
    usage: (asked) => readUsage(database, asked),
    workers: registry,
    recordings: new Recordings(payloads, probe),
    webhooks: await startWebhooks(backend, { config, logger, guard, apiKeys, results, tracer }, stack),
    models: presenceOf(config.engine, models),
    families: await loadFamilies(),
    familyOf: (model) => familyOf(model, (id) => models.folderOf(id)),
    checkWorker:
      workers.length === 0
        ? null
        : async (signal) => void (await Promise.all(workers.map((worker) => worker.check(signal)))),
    servesGpuTier: () => servesGpuTier(workers, registry),
    clearGarbage: () => collector.ring(),
    guard,
    uploads: new UploadRoom(new UnsubmittedUploads(database), config.payloads),
    settings: apiSettings(config),
  })
  stack.defer(() => closeApi(api))
  // Closed first: counting them asks the database.
  if (telemetry !== null) stack.use(telemetry.export(metrics))
  await probing
  return { url: await api.listen({ host, port }), firstKey }
}

/** While no worker is there at all, as during a deploy, jobs wait for what will come. */
async function servesGpuTier(own: readonly Worker[], registry: WorkerRegistry): Promise<boolean> {
  if (own.some(({ asked }) => asked.includes('gpuflex'))) return true
  const others = await registry.list()
  return others.some(({ asked }) => asked.includes('gpuflex')) || (own.length === 0 && others.length === 0)
}

/** Stops accepting and lets requests end, but not for ever: an upload that breaks off leaves nothing. */
async function closeApi(api: FastifyInstance): Promise<void> {
  const timer = setTimeout(() => api.server.closeAllConnections(), CLOSE_GRACE_MS)
  try {
    await api.close()
  } finally {
    clearTimeout(timer)
  }
}
