import { availableParallelism, homedir, totalmem } from 'node:os'
import { join, resolve } from 'node:path'
import process from 'node:process'
import {
  addresses,
  apiKey,
  bytes,
  engine,
  headerText,
  httpUrl,
  integer,
  list,
  onOff,
  oneOf,
  text,
} from './setting-values.ts'
import type { EngineChoice } from './setting-values.ts'
import { DEVICE_CHOICES } from './whisper/device.ts'
import type { DeviceChoice } from './whisper/device.ts'
import { PRECISIONS } from './whisper/options.ts'
import type { Precision } from './whisper/options.ts'

export interface Config {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  readonly dataDir: string
  /** Engine processes that compute at the same time; with another server's engine, jobs that are there at the same time. */
  readonly workers: number
  /** Jobs of a model that run at the same time; their windows are decoded together. */
  readonly batch: number
  /** Threads of each engine process. */
  readonly threads: number
  readonly precision: Precision
  readonly device: DeviceChoice
  /** What models may take of the device's memory. */
  readonly deviceMemoryBytes: number
  /** How long a model stays loaded that no job uses. */
  readonly modelTtlMs: number
  /** What loaded models may take together. */
  readonly modelMemoryBytes: number
  /** For what can be made again: quantised copies of weights. */
  readonly cacheDir: string
  /** What the URLs that the API returns start with; null: what the request came in by. */
  readonly publicUrl: URL | null
  /** Addresses and CIDR ranges whose `X-Forwarded-*` headers count. */
  readonly trustedProxies: readonly string[]
  /** Replaces the key that the first start makes. */
  readonly apiKey: string | null
  readonly maxUploadBytes: number
  readonly uploadUrlTtlSeconds: number
  readonly pollUrlTtlSeconds: number
  /** How long a client of the synchronous API waits at most. */
  readonly syncTimeoutMs: number
  readonly engine: EngineConfig
  /** Whether a `gpuflex` job may run on a CPU when there is no GPU. */
  readonly gpuFallback: boolean
  /** Hub repositories beyond the catalogue's, `org/name` or `org/name@revision`. */
  readonly models: readonly string[]
  readonly hub: {
    readonly endpoint: string
    readonly token: string | null
    readonly home: string
    readonly offline: boolean
  }
  readonly logLevel: LogLevel
}

/** What runs the jobs: the engine on this machine, or another server that speaks OpenAI's API. */
export type EngineConfig =
  | { readonly kind: 'local' }
  | {
      readonly kind: 'openai'
      /** What `/audio/transcriptions` is appended to. */
      readonly baseUrl: string
      readonly apiKey: string | null
      /** What the other server calls its model; null: as Sotto does. */
      readonly model: string | null
      /** For one recording, its upload included. */
      readonly timeoutMs: number
    }

/** Of the memory; the rest is for the server, the system and its file cache. */
const MODELS_SHARE = 0.75

/** Of the machine, or of the container where that is less. */
function memoryBytes(): number {
  const limit = process.constrainedMemory()
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem()
}

export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** A setting's value is wrong. The message names each such setting, what it got (unless it is secret) and what it takes. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly code = 'config.invalid'
  readonly retryable = false
}

export interface Setting<T> {
  readonly env: string
  /** Name of the flag, without the dashes; null for what is better kept out of a command line. */
  readonly flag: string | null
  /** What the value looks like, for the help. */
  readonly takes: string
  readonly help: string
  /** Throws an error whose message says what the value has to be. */
  readonly parse: (text: string) => T
  readonly fallback: () => T
}

/** Every setting: its environment variable, its flag, its default. `docs/configuration.md` is held against this table. */
export const SETTINGS = {
  host: {
    env: 'HOST',
    flag: 'host',
    takes: 'address',
    help: 'address to listen on',
    parse: text,
    fallback: () => '127.0.0.1',
  },
  port: {
    env: 'PORT',
    flag: 'port',
    takes: 'number',
    help: 'port to listen on, 0 for any free one',
    parse: integer(0, 65_535),
    fallback: () => 8080,
  },
  dataDir: {
    env: 'SOTTO_DATA_DIR',
    flag: 'data-dir',
    takes: 'folder',
    help: 'where database, recordings and results lie',
    parse: (value: string) => resolve(value),
    fallback: () => resolve('data'),
  },
  workers: {
    env: 'SOTTO_WORKERS',
    flag: 'workers',
    takes: 'number',
    help: 'engine processes that compute at the same time, each with one model; with another engine, jobs at the same time',
    parse: integer(1, 256),
    fallback: () => 1,
  },
  batch: {
    env: 'SOTTO_BATCH',
    flag: 'batch',
    takes: 'number',
    help: 'jobs of a model that run at the same time; their windows are decoded together',
    parse: integer(1, 256),
    fallback: () => 8,
  },
  threads: {
    env: 'SOTTO_THREADS',
    flag: 'threads',
    takes: 'number',
    help: 'threads of each worker, no more than there are cores; by default the cores are shared out',
    parse: integer(1, 1024),
    fallback: (): number | null => null,
  },
  precision: {
    env: 'SOTTO_PRECISION',
    flag: 'precision',
    takes: PRECISIONS.join('|'),
    help: 'how weights are kept: f32 is exact, q8 and q4 are faster and smaller, f16 is for devices, auto is the fastest that leaves the words as they are',
    parse: oneOf(PRECISIONS),
    fallback: (): Precision => 'auto',
  },
  device: {
    env: 'SOTTO_DEVICE',
    flag: 'device',
    takes: DEVICE_CHOICES.join('|'),
    help: 'the GPU that gpuflex jobs run on, or none',
    parse: oneOf(DEVICE_CHOICES),
    fallback: (): DeviceChoice => 'auto',
  },
  deviceMemoryBytes: {
    env: 'SOTTO_DEVICE_MEMORY',
    flag: 'device-memory',
    takes: 'bytes',
    help: 'what models may take of its memory; the more, the more windows are decoded together',
    parse: bytes,
    fallback: () => 4 * 2 ** 30,
  },
  modelTtlMs: {
    env: 'SOTTO_MODEL_TTL',
    flag: 'model-ttl',
    takes: 'seconds',
    help: 'how long a model stays in memory that no job uses',
    parse: (value: string) => integer(0, 30 * 86_400)(value) * 1000,
    fallback: () => 600_000,
  },
  modelMemoryBytes: {
    env: 'SOTTO_MODEL_MEMORY',
    flag: 'model-memory',
    takes: 'bytes',
    help: 'what loaded models may take together; by default three quarters of the memory',
    parse: bytes,
    fallback: (): number | null => null,
  },
  cacheDir: {
    env: 'SOTTO_CACHE_DIR',
    flag: 'cache-dir',
    takes: 'folder',
    help: 'where quantised copies of weights are kept',
    parse: (value: string) => resolve(value),
    fallback: () => join(homedir(), '.cache', 'sotto'),
  },
  publicUrl: {
    env: 'SOTTO_PUBLIC_URL',
    flag: 'public-url',
    takes: 'url',
    help: 'what the URLs that the API returns start with; by default what the request came in by',
    parse: httpUrl,
    fallback: (): URL | null => null,
  },
  trustedProxies: {
    env: 'SOTTO_TRUSTED_PROXIES',
    flag: 'trusted-proxies',
    takes: 'list',
    help: 'addresses or CIDR ranges, separated by commas, whose X-Forwarded-* headers count',
    parse: addresses,
    fallback: (): readonly string[] => [],
  },
  apiKey: {
    env: 'SOTTO_API_KEY',
    flag: null,
    takes: 'key',
    help: 'an API key, instead of the one that the first start makes',
    parse: apiKey,
    fallback: (): string | null => null,
  },
  maxUploadBytes: {
    env: 'SOTTO_MAX_UPLOAD_BYTES',
    flag: 'max-upload-bytes',
    takes: 'bytes',
    help: 'largest recording that may be uploaded',
    parse: bytes,
    fallback: () => 5 * 2 ** 30,
  },
  uploadUrlTtlSeconds: {
    env: 'SOTTO_UPLOAD_URL_TTL',
    flag: 'upload-url-ttl',
    takes: 'seconds',
    help: 'how long an upload URL may be used',
    parse: integer(1, 7 * 86_400),
    fallback: () => 3600,
  },
  pollUrlTtlSeconds: {
    env: 'SOTTO_POLL_URL_TTL',
    flag: 'poll-url-ttl',
    takes: 'seconds',
    help: 'how long a poll URL may be used without an API key',
    parse: integer(1, 366 * 86_400),
    fallback: () => 7 * 86_400,
  },
  syncTimeoutMs: {
    env: 'SOTTO_SYNC_TIMEOUT',
    flag: 'sync-timeout',
    takes: 'seconds',
    help: 'how long a request to the synchronous API may wait for its result',
    parse: (value: string) => integer(1, 3600)(value) * 1000,
    fallback: () => 120_000,
  },
  engine: {
    env: 'SOTTO_ENGINE',
    flag: 'engine',
    takes: 'local|openai:url',
    help: 'what runs the jobs: this machine, or a server that speaks OpenAI’s transcription API',
    parse: engine,
    fallback: (): EngineChoice => ({ kind: 'local' }),
  },
  engineApiKey: {
    env: 'SOTTO_ENGINE_API_KEY',
    flag: null,
    takes: 'key',
    help: "that server's API key",
    parse: headerText,
    fallback: (): string | null => null,
  },
  engineModel: {
    env: 'SOTTO_ENGINE_MODEL',
    flag: 'engine-model',
    takes: 'name',
    help: "that server's name of the model that all jobs run on; by default the name that a job was submitted with",
    parse: text,
    fallback: (): string | null => null,
  },
  engineTimeoutMs: {
    env: 'SOTTO_ENGINE_TIMEOUT',
    flag: 'engine-timeout',
    takes: 'seconds',
    help: 'how long that server may take for a recording, its upload included',
    parse: (value: string) => integer(1, 7 * 86_400)(value) * 1000,
    fallback: () => 3_600_000,
  },
  gpuFallback: {
    env: 'SOTTO_GPU_FALLBACK',
    flag: 'gpu-fallback',
    takes: 'on|off',
    help: 'whether gpuflex jobs run on the CPU where there is no GPU; off: they are refused with 503',
    parse: onOff,
    fallback: () => true,
  },
  models: {
    env: 'SOTTO_MODELS',
    flag: 'models',
    takes: 'list',
    help: 'further models of the hub to serve, org/name or org/name@revision, separated by commas',
    parse: list,
    fallback: (): readonly string[] => [],
  },
  hubEndpoint: {
    env: 'HF_ENDPOINT',
    flag: null,
    takes: 'url',
    help: 'the hub that weights are fetched from',
    parse: (value: string) => httpUrl(value).href.replace(/\/+$/, ''),
    fallback: () => 'https://huggingface.co',
  },
  hubToken: {
    env: 'HF_TOKEN',
    flag: null,
    takes: 'token',
    help: "the hub's access token, for gated models",
    parse: text,
    fallback: (): string | null => null,
  },
  hubHome: {
    env: 'HF_HOME',
    flag: null,
    takes: 'folder',
    help: 'where fetched weights are kept, shared with other tools that use the hub',
    parse: (value: string) => resolve(value),
    fallback: () => join(homedir(), '.cache', 'huggingface'),
  },
  hubOffline: {
    env: 'HF_HUB_OFFLINE',
    flag: null,
    takes: 'on|off',
    help: 'on: never ask the hub',
    parse: onOff,
    fallback: () => false,
  },
  logLevel: {
    env: 'SOTTO_LOG_LEVEL',
    flag: 'log-level',
    takes: LOG_LEVELS.join('|'),
    help: 'how much is logged',
    parse: oneOf(LOG_LEVELS),
    fallback: (): LogLevel => 'info',
  },
} as const satisfies Record<string, Setting<unknown>>

export type SettingName = keyof typeof SETTINGS
type Values = { [Name in SettingName]: ReturnType<(typeof SETTINGS)[Name]['fallback']> }

const SECRETS: ReadonlySet<SettingName> = new Set(['apiKey', 'hubToken', 'engineApiKey'])

export type Environment = Readonly<Record<string, string | undefined>>
/** The flags that were given, by the name of their setting. */
export type Flags = { readonly [Name in SettingName]?: string }

/**
 * Flags win over the environment, which wins over the defaults; an empty variable counts as absent.
 * @throws ConfigError naming every setting that is wrong
 */
export function loadConfig(environment: Environment, flags: Flags = {}): Config {
  const problems: string[] = []
  const read = (name: SettingName): unknown => {
    const setting: Setting<unknown> = SETTINGS[name]
    const flag = flags[name]
    const value = flag ?? (environment[setting.env] === '' ? undefined : environment[setting.env])
    if (value === undefined) return setting.fallback()
    try {
      return setting.parse(value)
    } catch (error) {
      const source = flag === undefined ? setting.env : `--${setting.flag}`
      const got = SECRETS.has(name) ? 'something else (hidden)' : JSON.stringify(withoutCredentials(value))
      problems.push(`${source} takes ${error instanceof Error ? error.message : setting.takes}; got ${got}`)
      return setting.fallback()
    }
  }
  const names = Object.keys(SETTINGS) as SettingName[]
  const values = Object.fromEntries(names.map((name) => [name, read(name)])) as Values
  if (problems.length > 0) throw new ConfigError(problems.join('\n'))

  const { hubEndpoint, hubToken, hubHome, hubOffline, engineApiKey, engineModel, engineTimeoutMs, ...others } = values
  const { threads, modelMemoryBytes, ...rest } = others
  const remote = { apiKey: engineApiKey, model: engineModel, timeoutMs: engineTimeoutMs }
  const cores = availableParallelism()
  return Object.freeze({
    ...rest,
    engine: Object.freeze(rest.engine.kind === 'openai' ? { ...rest.engine, ...remote } : rest.engine),
    threads: Math.min(cores, threads ?? Math.max(1, Math.floor(cores / rest.workers))),
    modelMemoryBytes: modelMemoryBytes ?? Math.floor(MODELS_SHARE * memoryBytes()),
    hub: Object.freeze({ endpoint: hubEndpoint, token: hubToken, home: hubHome, offline: hubOffline }),
  })
}

/** A URL's user and password do not belong into it, and may be there all the same. */
function withoutCredentials(value: string): string {
  return value.replace(/\/\/[^/]*@/g, '//…@')
}

/** Variables that look like Sotto's and are none: most likely misspelt. */
export function unknownVariables(environment: Environment): readonly string[] {
  const known = new Set<string>(Object.values(SETTINGS).map((setting) => setting.env))
  return Object.keys(environment).filter((name) => name.startsWith('SOTTO_') && !known.has(name))
}
