import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { ApiKeys } from './api/api-keys.ts'
import type { ApiContext, ApiSettings } from './api/context.ts'
import { buildApi } from './api/server.ts'
import type { Config } from './config.ts'
import { openDatabase } from './jobs/database.ts'
import { lockOwner } from './jobs/owner-lock.ts'
import { Reaper } from './jobs/reaper.ts'
import { SERVICE_TIERS } from './jobs/job.ts'
import type { ServiceTier } from './jobs/job.ts'
import { SqliteJobStore } from './jobs/sqlite-store.ts'
import { createCatalogue } from './models/catalogue.ts'
import { ModelCache } from './models/model-cache.ts'
import { FolderPayloadStore } from './payloads/folder-store.ts'
import { openSigningSecret } from './payloads/signing-secret.ts'
import { CPU } from './whisper/device.ts'
import type { Device } from './whisper/device.ts'
import { MOST_SLOTS, planDevice } from './whisper/device-memory.ts'
import type { DevicePlan } from './whisper/device-memory.ts'
import { estimateMemory } from './whisper/model-memory.ts'
import { findDevice } from './worker/find-device.ts'
import { LocalTranscriber } from './worker/local-transcriber.ts'
import type { Transcriber } from './worker/transcriber.ts'
import { Worker } from './worker/worker.ts'

/** Long enough for a few missed heartbeats, short enough that a lost worker's job soon runs again. */
const LEASE_MS = 45_000
const REAP_INTERVAL_MS = 15_000
/** How often the process that runs a job may die before the job fails: a poisonous file must not run for ever. */
const CRASH_LIMIT = 3
const FAILURE_LIMIT = 3
/** How long requests that are under way may take to end when the server stops. */
const CLOSE_GRACE_MS = 5000

export interface App extends AsyncDisposable {
  readonly url: string
  /** The secret of the API key that this start made; null when there was one. */
  readonly firstKey: string | null
}

/** Starts everything on one machine. Disposing it stops accepting, gives running jobs back and closes what was opened. */
export async function startApp(config: Config, logger: Logger): Promise<App> {
  await using stack = new AsyncDisposableStack()
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 })
  stack.use(await lockOwner(config.dataDir))
  const database = await openDatabase(config.dataDir)
  stack.defer(() => database.destroy())
  const apiKeys = new ApiKeys(database)
  await apiKeys.setEnvironmentKey(config.apiKey)
  const firstKey = (await apiKeys.isEmpty()) ? (await apiKeys.create('first')).secret : null

  const jobs = new SqliteJobStore(database)
  const recovered = await jobs.recover()
  if (recovered > 0) logger.info({ jobs: recovered }, 'going on with jobs that were running when the last server ended')
  const payloads = await FolderPayloadStore.open(join(config.dataDir, 'payloads'))
  const signingSecret = await openSigningSecret(config.dataDir)
  const catalogue = createCatalogue(config.models)
  const models = new ModelCache({ ...config.hub, catalogue })

  const onError = (error: unknown): void => logger.error({ err: error }, 'expired leases could not be taken back')
  stack.use(new Reaper({ jobs, intervalMs: REAP_INTERVAL_MS, crashes: CRASH_LIMIT, onError }))
  const temporaryFolder = join(config.dataDir, 'tmp')
  await rm(temporaryFolder, { recursive: true, force: true })
  await mkdir(temporaryFolder, { mode: 0o700 })
  const device = config.engine.kind === 'local' ? await findDevice(config.device) : CPU
  const engine = await openEngine(config, device, models, temporaryFolder, logger)
  if (config.engine.kind === 'openai') logger.info({ server: config.engine.baseUrl }, 'another server runs the jobs')
  const engines =
    device.name === 'cpu' ? [engine] : [engine, openDeviceEngine(config, device, models, temporaryFolder, logger)]
  const workers = engines.map(({ transcriber, slots, served, asked }) => {
    stack.use(transcriber)
    return stack.use(
      new Worker({
        jobs,
        payloads,
        transcriber,
        logger,
        ...{ slots, served, asked },
        leaseMs: LEASE_MS,
        limits: { failures: FAILURE_LIMIT, crashes: CRASH_LIMIT },
      }),
    )
  })
  const tiers = new Set(engines.flatMap(({ asked }) => asked))

  const api = await buildApi({
    jobs,
    payloads,
    resumable: payloads.resumable,
    catalogue,
    models: engine.models,
    apiKeys,
    signingSecret,
    checkWorker: async (signal) => void (await Promise.all(workers.map((worker) => worker.check(signal)))),
    settings: { ...config, framework: engine.framework, servesGpuTier: tiers.has('gpuflex') },
    logger,
  })
  stack.defer(() => closeApi(api))
  const url = await api.listen({ host: config.host, port: config.port })
  const parts = stack.move()
  return { url, firstKey, [Symbol.asyncDispose]: () => parts.disposeAsync() }
}

interface Engine {
  readonly transcriber: Transcriber
  /** Jobs that it runs at the same time. */
  readonly slots: number
  /** The tier that it is, and the tiers whose jobs it takes. */
  readonly served: ServiceTier
  readonly asked: readonly ServiceTier[]
  readonly framework: ApiSettings['framework']
  /** Whose weights are in place. */
  readonly models: ApiContext['models']
}

/** A device serves the tier of its name; the CPU then keeps to its own. */
async function openEngine(
  config: Config,
  device: Device,
  models: ModelCache,
  temporaryFolder: string,
  logger: Logger,
): Promise<Engine> {
  const { engine, workers, threads, batch, precision, cacheDir: cacheFolder, gpuFallback } = config
  switch (engine.kind) {
    case 'local':
      return {
        transcriber: new LocalTranscriber({
          models,
          settings: { threads, batch, precision, temporaryFolder, cacheFolder },
          computing: workers,
          ttlMs: config.modelTtlMs,
          memoryBytes: config.modelMemoryBytes,
          estimate: (folder) => estimateMemory(folder, { precision, slots: batch }),
          logger,
        }),
        slots: workers * batch,
        served: 'cpuflex',
        asked: gpuFallback && device.name === 'cpu' ? SERVICE_TIERS : ['cpuflex'],
        framework: 'onnxruntime',
        models,
      }
    case 'openai': {
      // Loaded here alone: its HTTP client takes a moment that no other start shall wait for.
      const { OpenAiTranscriber } = await import('./worker/openai/openai-transcriber.ts')
      return {
        transcriber: new OpenAiTranscriber(engine),
        slots: workers,
        served: 'gpuflex',
        asked: SERVICE_TIERS,
        framework: 'openai-api',
        models: { isPresent: () => Promise.resolve(true) },
      }
    }
  }
}

function openDeviceEngine(
  { threads, precision, cacheDir: cacheFolder, modelTtlMs: ttlMs, deviceMemoryBytes: memoryBytes }: Config,
  device: Device,
  models: ModelCache,
  temporaryFolder: string,
  logger: Logger,
): Engine {
  logger.info({ device: device.name }, 'gpuflex jobs run on a device')
  const planOf = (folder: string): Promise<DevicePlan> => planDevice(folder, { device, precision, memoryBytes })
  return {
    transcriber: new LocalTranscriber({
      models,
      settings: {
        ...{ threads, device, deviceMemoryBytes: memoryBytes, batch: MOST_SLOTS },
        ...{ precision, temporaryFolder, cacheFolder },
      },
      computing: 1,
      ttlMs,
      memoryBytes,
      estimate: async (folder) => (await planOf(folder)).bytes,
      batchOf: async (folder) => (await planOf(folder)).slots,
      logger,
    }),
    slots: MOST_SLOTS,
    served: 'gpuflex',
    asked: ['gpuflex'],
    framework: 'onnxruntime',
    models,
  }
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
