import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Config } from './config.ts'
import { SERVICE_TIERS } from './jobs/job.ts'
import type { ServiceTier } from './jobs/job.ts'
import { BUNDLED_FOLDER } from './hub/model-cache.ts'
import type { ModelCache } from './hub/model-cache.ts'
import type { Device } from './contract/device.ts'
import { planDevice } from './models/whisper/device-memory.ts'
import type { DevicePlan } from './models/whisper/device-memory.ts'
import { estimateMemory } from './models/whisper/model-memory.ts'
import { dataLimit, fileLimit } from './worker/cage.ts'
import type { CageOptions } from './worker/cage.ts'
import { findDevice } from './worker/find-device.ts'
import { LocalTranscriber } from './worker/local-transcriber.ts'
import { findSandbox } from './worker/sandbox.ts'
import type { Sandbox } from './worker/sandbox.ts'
import type { Transcriber } from './worker/transcriber.ts'
import { MOST_SLOTS } from './contract/device.ts'

/** Something that transcribes, and what a worker with it takes. */
export interface Engine {
  readonly transcriber: Transcriber
  /** Jobs that it runs at the same time. */
  readonly places: number
  /** How many more it runs of short ones. */
  readonly expressPlaces: number
  /** The tier that it is, and the tiers whose jobs it takes. */
  readonly served: ServiceTier
  readonly asked: readonly ServiceTier[]
}

interface Place {
  readonly config: Config
  readonly models: ModelCache
  readonly temporaryFolder: string
  readonly logger: Logger
  /** Ends the search for a device. */
  readonly signal: AbortSignal
}

/**
 * What runs the jobs here: this machine's processor, beside it its GPU if there is one, or another server instead of both. None for tiers
 * that were not asked for.
 */
export async function openEngines(place: Place): Promise<readonly Engine[]> {
  const { config, logger } = place
  const { tiers } = config
  const engines = await allEngines(place)
  const wanted = engines
    .map((engine) => ({ ...engine, asked: engine.asked.filter((tier) => tiers === null || tiers.includes(tier)) }))
    .filter(({ asked }) => asked.length > 0)
  if (config.engine.kind === 'openai') logger.info({ server: config.engine.baseUrl }, 'another server runs the jobs')
  return wanted
}

/** What the API tells of a server's engines. */
export function describeEngines({ engine }: Config): { readonly framework: 'onnxruntime' | 'openai-api' } {
  return { framework: engine.kind === 'local' ? 'onnxruntime' : 'openai-api' }
}

/** Whose weights are in place. */
export function presenceOf({ engine }: Config, models: ModelCache): Pick<ModelCache, 'isPresent'> {
  return engine.kind === 'local' ? models : { isPresent: () => Promise.resolve(true) }
}

async function allEngines(place: Place): Promise<readonly Engine[]> {
  const { engine, workers, device: choice, gpuFallback } = place.config
  if (engine.kind === 'openai') {
    // Loaded here alone: its HTTP client takes a moment that no other start shall wait for.
    const { OpenAiTranscriber } = await import('./worker/openai/openai-transcriber.ts')
    const transcriber = new OpenAiTranscriber(engine)
    return [{ transcriber, places: workers, expressPlaces: 0, served: 'gpuflex', asked: SERVICE_TIERS }]
  }
  const [device, sandbox] = await Promise.all([findDevice(choice, place.signal), sandboxOf(place)])
  if (device.name === 'cpu') return [cpuEngine(place, gpuFallback ? SERVICE_TIERS : ['cpuflex'], sandbox)]
  place.logger.info({ device: device.name }, 'gpuflex jobs run on a device')
  return [cpuEngine(place, ['cpuflex'], sandbox), deviceEngine(place, device)]
}

/** What an engine reads and writes; the database and the secret of signatures lie beside it, and are nothing to it. */
async function sandboxOf({ config, temporaryFolder, logger, signal }: Place): Promise<Sandbox | null> {
  const { dataDir, cacheDir, hub, sandbox } = config
  const readable = [BUNDLED_FOLDER, join(hub.home, 'hub'), join(dataDir, 'payloads')]
  return await findSandbox(sandbox, { readable, writable: [temporaryFolder, cacheDir] }, { logger, signal })
}

/** The place beyond the batch is for short recordings. */
function cpuEngine(
  { config, models, temporaryFolder, logger }: Place,
  asked: readonly ServiceTier[],
  sandbox: Sandbox | null,
): Engine {
  const { workers, threads, batch, precision, engineMemoryBytes, cacheDir: cacheFolder } = config
  const places = batch + 1
  const cageOf = (modelBytes: number): CageOptions => ({
    sandbox,
    dataBytes: engineMemoryBytes === null ? null : dataLimit(modelBytes, engineMemoryBytes, threads),
    fileBytes: fileLimit(config.maxAudioSeconds),
  })
  return {
    transcriber: new LocalTranscriber({
      models,
      settings: { threads, batch: places, precision, temporaryFolder, cacheFolder },
      computing: workers,
      ttlMs: config.modelTtlMs,
      memoryBytes: config.modelMemoryBytes,
      estimate: (folder) => estimateMemory(folder, { precision, slots: places }),
      cageOf,
      logger,
    }),
    places: workers * batch,
    expressPlaces: 1,
    served: 'cpuflex',
    asked,
  }
}

function deviceEngine({ config, models, temporaryFolder, logger }: Place, device: Device): Engine {
  const { threads, precision, cacheDir: cacheFolder, modelTtlMs: ttlMs, deviceMemoryBytes: memoryBytes } = config
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
      cageOf: () => ({ dataBytes: null, fileBytes: fileLimit(config.maxAudioSeconds), sandbox: null }),
      logger,
    }),
    places: MOST_SLOTS - 1,
    expressPlaces: 1,
    served: 'gpuflex',
    asked: ['gpuflex'],
  }
}
