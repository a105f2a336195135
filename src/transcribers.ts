import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Config } from './config/config.ts'
import { ENGINE_SETTINGS } from './config/engine.ts'
import type { EngineConfig } from './config/engine.ts'
import { SERVICE_TIERS } from './jobs/job.ts'
import type { ServiceTier } from './jobs/job.ts'
import { BUNDLED_FOLDER } from './hub/model-cache.ts'
import type { ModelCache } from './hub/model-cache.ts'
import { CPU, MAX_SLOTS } from './contract/device.ts'
import type { Device } from './contract/device.ts'
import type { Family, MemoryPlan } from './models/family.ts'
import { familyOf, planModel } from './models/index.ts'
import type { Catalogue } from './models/catalogue.ts'
import { dataLimit, fileLimit } from './worker/engines/cage.ts'
import type { CageOptions } from './worker/engines/cage.ts'
import { findDevice } from './worker/engines/find-device.ts'
import { LocalTranscriber } from './worker/engines/local-transcriber.ts'
import { findSandbox } from './worker/engines/sandbox.ts'
import type { Sandbox } from './worker/engines/sandbox.ts'
import type { Transcriber } from './worker/transcriber.ts'
import { requireWritable } from './writable-folder.ts'

/** Something that transcribes, and what a worker with it takes. */
export interface WorkerTranscriber {
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
  readonly catalogue: Catalogue
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
export async function openTranscribers(place: Place): Promise<readonly WorkerTranscriber[]> {
  const { tiers, remote } = place.config.engine
  const transcribers = await allTranscribers(place)
  const wanted = transcribers
    .map((each) => ({ ...each, asked: each.asked.filter((tier) => tiers === null || tiers.includes(tier)) }))
    .filter(({ asked }) => asked.length > 0)
  if (remote !== null) place.logger.info({ server: remote.baseUrl }, 'another server runs the jobs')
  return wanted
}

/** Whose weights are in place. */
export function presenceOf({ remote }: EngineConfig, models: ModelCache): Pick<ModelCache, 'isPresent'> {
  return remote === null ? models : { isPresent: () => Promise.resolve(true) }
}

async function allTranscribers(place: Place): Promise<readonly WorkerTranscriber[]> {
  const { catalogue, models } = place
  const { remote, workers, device: choice, gpuFallback } = place.config.engine
  if (remote !== null) {
    // Loaded here alone: its HTTP client takes a moment that no other start shall wait for.
    const { OpenAiTranscriber } = await import('./worker/openai/openai-transcriber.ts')
    const ofModel = (id: string): Promise<Family> => familyOf(catalogue.require(id), (each) => models.folderOf(each))
    const transcriber = new OpenAiTranscriber({ ...remote, familyOf: ofModel })
    return [{ transcriber, places: workers, expressPlaces: 0, served: 'gpuflex', asked: SERVICE_TIERS }]
  }
  await requireCache(place.config.engine)
  const [device, sandbox] = await Promise.all([findDevice(choice, place.signal), sandboxOf(place)])
  if (device.name === 'cpu') return [cpuTranscriber(place, gpuFallback ? SERVICE_TIERS : ['cpuflex'], sandbox)]
  place.logger.info({ device: device.name }, 'gpuflex jobs run on a device')
  return [cpuTranscriber(place, ['cpuflex'], sandbox), deviceTranscriber(place, device)]
}

/** Found at the start, not by the first job. In 16 and 32 bits weights are used as they are, and nothing is kept. */
async function requireCache({ precision, cacheDir }: EngineConfig): Promise<void> {
  if (precision !== 'f32' && precision !== 'f16') await requireWritable(cacheDir, ENGINE_SETTINGS.cacheDir)
}

/** What an engine reads and writes; the database and the secret of signatures lie beside it, and are nothing to it. */
async function sandboxOf({ config, temporaryFolder, logger, signal }: Place): Promise<Sandbox | null> {
  const { cacheDir, sandbox } = config.engine
  const readable = [BUNDLED_FOLDER, join(config.hub.home, 'hub'), join(config.server.dataDir, 'payloads')]
  return await findSandbox(sandbox, { readable, writable: [temporaryFolder, cacheDir] }, { logger, signal })
}

/** The place beyond the batch is for short recordings. */
function cpuTranscriber(
  { config, models, temporaryFolder, logger }: Place,
  asked: readonly ServiceTier[],
  sandbox: Sandbox | null,
): WorkerTranscriber {
  const { workers, threads, batch, precision, recordingMemoryBytes, cacheDir: cacheFolder } = config.engine
  const places = batch + 1
  const share = { device: CPU, precision, batch: places, memoryBytes: config.engine.modelMemoryBytes }
  const cageOf = (modelBytes: number): CageOptions => ({
    sandbox,
    dataBytes: recordingMemoryBytes === null ? null : dataLimit(modelBytes, recordingMemoryBytes, threads),
    fileBytes: fileLimit(config.jobs.maxAudioSeconds),
  })
  return {
    transcriber: new LocalTranscriber({
      models,
      settings: { threads, batch: places, precision, temporaryFolder, cacheFolder },
      computing: workers,
      ttlMs: config.engine.modelTtlMs,
      memoryBytes: config.engine.modelMemoryBytes,
      estimate: async (folder) => (await planModel(folder, share)).bytes,
      cageOf,
      logger,
    }),
    places: workers * batch,
    expressPlaces: 1,
    served: 'cpuflex',
    asked,
  }
}

function deviceTranscriber({ config, models, temporaryFolder, logger }: Place, device: Device): WorkerTranscriber {
  const { threads, precision, cacheDir: cacheFolder, modelTtlMs: ttlMs, deviceMemoryBytes: memoryBytes } = config.engine
  const planOf = (folder: string): Promise<MemoryPlan> =>
    planModel(folder, { device, precision, batch: MAX_SLOTS, memoryBytes })
  return {
    transcriber: new LocalTranscriber({
      models,
      settings: {
        ...{ threads, device, deviceMemoryBytes: memoryBytes, batch: MAX_SLOTS },
        ...{ precision, temporaryFolder, cacheFolder },
      },
      computing: 1,
      ttlMs,
      memoryBytes,
      estimate: async (folder) => (await planOf(folder)).bytes,
      batchOf: async (folder) => (await planOf(folder)).batch,
      cageOf: () => ({ dataBytes: null, fileBytes: fileLimit(config.jobs.maxAudioSeconds), sandbox: null }),
      logger,
    }),
    places: MAX_SLOTS - 1,
    expressPlaces: 1,
    served: 'gpuflex',
    asked: ['gpuflex'],
  }
}
