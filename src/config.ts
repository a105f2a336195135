import { availableParallelism, totalmem } from 'node:os'
import process from 'node:process'
import { CodedError } from './contract/coded-error.ts'
import type { ServiceTier } from './jobs/job.ts'
import type { KeyLimits } from './jobs/store.ts'
import type { LogLevel, Setting, SettingName, SettingValues } from './settings.ts'
import { SECRET_SETTINGS, SETTINGS } from './settings.ts'
import type { DeviceChoice } from './contract/device.ts'
import type { SandboxChoice } from './worker/sandbox-choice.ts'
import type { Precision } from './contract/precision.ts'

export interface Config {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  readonly dataDir: string
  /** Of PostgreSQL; null: SQLite in the data folder. */
  readonly databaseUrl: string | null
  /** How long finished jobs are kept; null: for ever. */
  readonly retentionMs: number | null
  readonly limits: KeyLimits
  /** Longest recording of an asynchronous job; null: any. */
  readonly maxAudioSeconds: number | null
  /** How long one run of a job may take; null: as long as it takes. */
  readonly maxJobMs: number | null
  /** Of one API key, for each server; null: any number. */
  readonly maxRequestsPerSecond: number | null
  /** How long after its last sign of life a worker counts as dead. */
  readonly leaseMs: number
  /** How long a server that is asked to stop still answers. */
  readonly drainMs: number
  /** The tiers whose jobs a worker takes; null: all that the machine can serve. */
  readonly tiers: readonly ServiceTier[] | null
  readonly payloads: PayloadsConfig
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
  /** What an engine process may take for recordings, beside its model; null: any amount. */
  readonly engineMemoryBytes: number | null
  /** Whether engines run in a namespace of their own. */
  readonly sandbox: SandboxChoice
  /** For what can be made again: quantised copies of weights. */
  readonly cacheDir: string
  /** What the URLs that the API returns start with; null: what the request came in by. */
  readonly publicUrl: URL | null
  /** Addresses and CIDR ranges whose `X-Forwarded-*` headers count. */
  readonly trustedProxies: readonly string[]
  /** Origins whose pages may use the API; `*`: any. */
  readonly corsOrigins: readonly string[]
  /** Replaces the key that the first start makes. */
  readonly apiKey: string | null
  readonly maxUploadBytes: number
  /** What a key may have uploaded through the API and not submitted; null: any amount. */
  readonly maxUnsubmittedBytes: number | null
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

/** Where recordings and results lie: in the data folder, or in a bucket, which the AWS SDK is told of by its own variables. */
export type PayloadsConfig =
  | { readonly kind: 'folder' }
  | {
      readonly kind: 's3'
      readonly bucket: string
      /** What stands before each key, without a slash at its ends; empty: nothing. */
      readonly prefix: string
      readonly pathStyle: boolean
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

/** A setting's value is wrong. The message names each such setting, what it got (unless it is secret) and what it takes. */
export class ConfigError extends CodedError<'config.invalid'> {
  override readonly name = 'ConfigError'

  constructor(message: string, options?: ErrorOptions) {
    super('config.invalid', message, options)
  }
}

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
      const got = SECRET_SETTINGS.has(name) ? 'something else (hidden)' : JSON.stringify(withoutCredentials(value))
      problems.push(`${source} takes ${error instanceof Error ? error.message : setting.takes}; got ${got}`)
      return setting.fallback()
    }
  }
  const names = Object.keys(SETTINGS) as SettingName[]
  const values = Object.fromEntries(names.map((name) => [name, read(name)])) as SettingValues
  if (problems.length > 0) throw new ConfigError(problems.join('\n'))

  const { hubEndpoint, hubToken, hubHome, hubOffline, engineApiKey, engineModel, engineTimeoutMs, ...others } = values
  const { threads, modelMemoryBytes, payloads, s3PathStyle: pathStyle, ...withLimits } = others
  const { maxQueuedJobs, maxRunningJobs, maxAudioSecondsPerDay, ...rest } = withLimits
  const remote = { apiKey: engineApiKey, model: engineModel, timeoutMs: engineTimeoutMs }
  const cores = availableParallelism()
  return Object.freeze({
    ...rest,
    limits: Object.freeze({
      queuedJobs: maxQueuedJobs,
      runningJobs: maxRunningJobs,
      audioSecondsPerDay: maxAudioSecondsPerDay,
    }),
    payloads: Object.freeze(payloads.kind === 's3' ? { ...payloads, pathStyle } : payloads),
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
