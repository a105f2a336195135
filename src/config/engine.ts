import { availableParallelism, totalmem } from 'node:os'
import process from 'node:process'
import { DEVICE_CHOICES } from '../contract/device.ts'
import { PRECISIONS } from '../contract/precision.ts'
import { SANDBOX_CHOICES } from '../contract/sandbox-choice.ts'
import { SERVICE_TIERS } from '../contract/service-tier.ts'
import { REMOTE_ENGINE_SETTINGS, remoteEngine } from './remote-engine.ts'
import type { RemoteEngineConfig } from './remote-engine.ts'
import type { Settings, Values } from './setting.ts'
import { bytes, folder, integer, oneOf, onOff, orOff, secondsAsMs, someOf } from './value-types.ts'

/** What runs jobs, and what that may take of the machine. */
export const ENGINE_SETTINGS = {
  ...REMOTE_ENGINE_SETTINGS,
  /** Null: all that the machine can serve. */
  tiers: {
    variable: 'SOTTO_TIERS',
    flag: 'tier',
    type: someOf(SERVICE_TIERS),
    default: null,
    meaning: 'the tiers whose jobs a worker takes, separated by commas; by default all that the machine can serve',
  },
  gpuFallback: {
    variable: 'SOTTO_GPU_FALLBACK',
    flag: 'gpu-fallback',
    type: onOff,
    default: 'on',
    meaning: 'whether gpuflex jobs run on the CPU where there is no GPU; off: they are refused with 503',
  },
  workers: {
    variable: 'SOTTO_WORKERS',
    flag: 'workers',
    type: integer(1, 256),
    default: '1',
    meaning:
      'engine processes that compute at the same time, each with one model; with another engine, jobs at the same time',
  },
  batch: {
    variable: 'SOTTO_BATCH',
    flag: 'batch',
    type: integer(1, 256),
    default: '8',
    meaning: 'jobs of a model that run at the same time; their windows are decoded together',
  },
  /** Of each engine process. */
  threads: {
    variable: 'SOTTO_THREADS',
    flag: 'threads',
    type: integer(1, 1024),
    default: null,
    meaning: 'threads of each worker, no more than there are cores; by default the cores are shared out',
  },
  precision: {
    variable: 'SOTTO_PRECISION',
    flag: 'precision',
    type: oneOf(PRECISIONS),
    default: 'auto',
    meaning:
      'how weights are kept: f32 is exact, q8 and q4 are faster and smaller, f16 is for devices, auto is the fastest that leaves the words as they are',
    see: '[below](#precision)',
  },
  device: {
    variable: 'SOTTO_DEVICE',
    flag: 'device',
    type: oneOf(DEVICE_CHOICES),
    default: 'auto',
    meaning: 'the GPU that gpuflex jobs run on, or none',
    see: '[gpu.md](gpu.md)',
  },
  deviceMemoryBytes: {
    variable: 'SOTTO_DEVICE_MEMORY',
    flag: 'device-memory',
    type: bytes,
    default: '4G',
    meaning: 'what models may take of its memory; the more, the more windows are decoded together',
  },
  modelTtlMs: {
    variable: 'SOTTO_MODEL_TTL',
    flag: 'model-ttl',
    type: secondsAsMs(integer(0, 30 * 86_400)),
    default: '600',
    meaning: 'how long a model stays in memory that no job uses',
    see: '[below](#models-in-memory)',
  },
  modelMemoryBytes: {
    variable: 'SOTTO_MODEL_MEMORY',
    flag: 'model-memory',
    type: bytes,
    default: null,
    meaning: 'what loaded models may take together; by default three quarters of the memory',
  },
  /** Null: any amount. */
  recordingMemoryBytes: {
    variable: 'SOTTO_ENGINE_MEMORY',
    flag: 'engine-memory',
    type: orOff(bytes),
    // Ordinary recordings, however long, take 100 MB.
    default: '1G',
    meaning:
      'what an engine process may take for recordings, beside its model; off: any amount. It counts for the CPU, on Linux',
    see: '[below](#what-an-engine-may)',
  },
  sandbox: {
    variable: 'SOTTO_SANDBOX',
    flag: 'sandbox',
    type: oneOf(SANDBOX_CHOICES),
    default: 'auto',
    meaning:
      'whether engines on the CPU run in a sandbox without network and other files, by bubblewrap; auto: where that works',
    see: '[below](#what-an-engine-may)',
  },
  /** For what can be made again. */
  cacheDir: {
    variable: 'SOTTO_CACHE_DIR',
    flag: 'cache-dir',
    type: folder,
    default: '~/.cache/sotto',
    meaning: 'where quantised copies of weights are kept',
    see: '[below](#precision)',
  },
} as const satisfies Settings

type EngineValues = Values<typeof ENGINE_SETTINGS>

export type EngineConfig = Omit<EngineValues, keyof typeof REMOTE_ENGINE_SETTINGS> & {
  readonly threads: number
  readonly modelMemoryBytes: number
  /** The server that runs the jobs; null: this machine does. */
  readonly remote: RemoteEngineConfig | null
}

/** Of the memory; the rest is for the server, the system and its file cache. */
const MODELS_SHARE = 0.75

export function engineConfig(values: EngineValues): EngineConfig {
  const { server, remoteApiKey, remoteModel, remoteTimeoutMs, threads, modelMemoryBytes, ...others } = values
  const cores = availableParallelism()
  return {
    ...others,
    threads: Math.min(cores, threads ?? Math.max(1, Math.floor(cores / others.workers))),
    modelMemoryBytes: modelMemoryBytes ?? Math.floor(MODELS_SHARE * memoryBytes()),
    remote: remoteEngine({ server, remoteApiKey, remoteModel, remoteTimeoutMs }),
  }
}

/** Of the machine, or of the container where that is less. */
function memoryBytes(): number {
  const limit = process.constrainedMemory()
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem()
}
