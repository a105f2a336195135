import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { SERVICE_TIERS } from './jobs/job.ts'
import type { ServiceTier } from './jobs/job.ts'
import {
  addresses,
  apiKey,
  bytes,
  bytesOrOff,
  countOrOff,
  databaseUrl,
  durationOrOff,
  engine,
  headerText,
  httpUrl,
  integer,
  list,
  onOff,
  oneOf,
  origins,
  payloads,
  someOf,
  text,
} from './setting-values.ts'
import type { EngineChoice, PayloadsChoice } from './setting-values.ts'
import { DEVICE_CHOICES } from './contract/device.ts'
import type { DeviceChoice } from './contract/device.ts'
import { SANDBOX_CHOICES } from './worker/sandbox-choice.ts'
import type { SandboxChoice } from './worker/sandbox-choice.ts'
import { PRECISIONS } from './contract/precision.ts'
import type { Precision } from './contract/precision.ts'

export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

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
  payloads: {
    env: 'SOTTO_PAYLOADS',
    flag: 'payloads',
    takes: 'folder|s3://bucket/prefix',
    help: 'where recordings and results lie: in the data folder, or in a bucket of an S3, whose AWS_* variables then count',
    parse: payloads,
    fallback: (): PayloadsChoice => ({ kind: 'folder' }),
  },
  s3PathStyle: {
    env: 'SOTTO_S3_PATH_STYLE',
    flag: 's3-path-style',
    takes: 'on|off',
    help: "on: the bucket's name is in the path of URLs, not in their host, as MinIO and others want it",
    parse: onOff,
    fallback: () => false,
  },
  databaseUrl: {
    env: 'DATABASE_URL',
    flag: null,
    takes: 'url',
    help: 'a PostgreSQL that several servers and workers share; by default a database in the data folder',
    parse: databaseUrl,
    fallback: (): string | null => null,
  },
  retentionMs: {
    env: 'SOTTO_RETENTION',
    flag: 'retention',
    takes: 'time|off',
    help: 'how long finished jobs are kept, with their recordings and results; off: for ever',
    parse: durationOrOff,
    fallback: (): number | null => null,
  },
  maxQueuedJobs: {
    env: 'SOTTO_MAX_QUEUED_JOBS',
    flag: 'max-queued-jobs',
    takes: 'number|off',
    help: 'jobs of one API key that may wait; more are refused with 429',
    parse: countOrOff,
    fallback: (): number | null => null,
  },
  maxRunningJobs: {
    env: 'SOTTO_MAX_RUNNING_JOBS',
    flag: 'max-running-jobs',
    takes: 'number|off',
    help: 'jobs of one API key that may run at the same time; more of them wait',
    parse: countOrOff,
    fallback: (): number | null => null,
  },
  maxAudioSecondsPerDay: {
    env: 'SOTTO_MAX_AUDIO_SECONDS_PER_DAY',
    flag: 'max-audio-seconds-per-day',
    takes: 'number|off',
    help: 'seconds of audio that one API key may submit on one day of UTC; more are refused with 429',
    parse: countOrOff,
    fallback: (): number | null => null,
  },
  maxAudioSeconds: {
    env: 'SOTTO_MAX_AUDIO_SECONDS',
    flag: 'max-audio-seconds',
    takes: 'seconds|off',
    help: 'longest recording that an asynchronous job may have, by what it decodes to; off: any',
    parse: countOrOff,
    // Longer than any meeting, and a bound to what a few bytes can decode to.
    fallback: (): number | null => 86_400,
  },
  maxJobMs: {
    env: 'SOTTO_MAX_JOB_SECONDS',
    flag: 'max-job-seconds',
    takes: 'seconds|off',
    help: 'how long one run of a job may take; off: as long as it takes',
    parse: (value: string) => {
      const seconds = countOrOff(value)
      return seconds === null ? null : seconds * 1000
    },
    // The longest recording at a seventh of real time, as a large model may have on few cores beside other jobs.
    fallback: (): number | null => 604_800_000,
  },
  maxRequestsPerSecond: {
    env: 'SOTTO_MAX_REQUESTS_PER_SECOND',
    flag: 'max-requests-per-second',
    takes: 'number|off',
    help: 'requests of one API key that one server answers in a second; more are refused with 429',
    parse: countOrOff,
    fallback: (): number | null => null,
  },
  leaseMs: {
    env: 'SOTTO_LEASE',
    flag: 'lease',
    takes: 'seconds',
    help: 'how long after its last sign of life a worker counts as dead, and its jobs run elsewhere',
    parse: (value: string) => integer(2, 3600)(value) * 1000,
    // Long enough for a few missed heartbeats, short enough that a lost worker's job soon runs again.
    fallback: () => 45_000,
  },
  drainMs: {
    env: 'SOTTO_DRAIN',
    flag: 'drain',
    takes: 'seconds',
    help: 'how long a server that is asked to stop still answers, with /readyz saying 503, so that load balancers turn away first',
    parse: (value: string) => integer(0, 3600)(value) * 1000,
    fallback: () => 0,
  },
  tiers: {
    env: 'SOTTO_TIERS',
    flag: 'tier',
    takes: SERVICE_TIERS.join(','),
    help: 'the tiers whose jobs a worker takes, separated by commas; by default all that the machine can serve',
    parse: someOf(SERVICE_TIERS),
    fallback: (): readonly ServiceTier[] | null => null,
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
  engineMemoryBytes: {
    env: 'SOTTO_ENGINE_MEMORY',
    flag: 'engine-memory',
    takes: 'bytes|off',
    help: 'what an engine process may take for recordings, beside its model; off: any amount. It counts for the CPU, on Linux',
    parse: bytesOrOff,
    // Ordinary recordings, however long, take 100 MB.
    fallback: (): number | null => 2 ** 30,
  },
  sandbox: {
    env: 'SOTTO_SANDBOX',
    flag: 'sandbox',
    takes: SANDBOX_CHOICES.join('|'),
    help: 'whether engines on the CPU run in a sandbox without network and other files, by bubblewrap; auto: where that works',
    parse: oneOf(SANDBOX_CHOICES),
    fallback: (): SandboxChoice => 'auto',
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
  corsOrigins: {
    env: 'SOTTO_CORS_ORIGINS',
    flag: 'cors-origins',
    takes: 'list',
    help: 'origins whose pages may use the API from a browser, separated by commas, or * for any; by default none',
    parse: origins,
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
  maxUnsubmittedBytes: {
    env: 'SOTTO_MAX_UNSUBMITTED_BYTES',
    flag: 'max-unsubmitted-bytes',
    takes: 'bytes|off',
    help: 'what one API key may have uploaded to this server and not submitted yet; more is refused with 429',
    parse: bytesOrOff,
    fallback: (): number | null => 50 * 2 ** 30,
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
    help: 'further models of the hub to serve, org/name or org/name@revision, separated by commas; sotto worker takes jobs of these alone',
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
/** What the settings' values are read as. */
export type SettingValues = { [Name in SettingName]: ReturnType<(typeof SETTINGS)[Name]['fallback']> }

/** Their values are never shown. */
export const SECRET_SETTINGS: ReadonlySet<SettingName> = new Set(['apiKey', 'databaseUrl', 'hubToken', 'engineApiKey'])
