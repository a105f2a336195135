import type { FastifyBaseLogger } from 'fastify'
import type { Registry } from 'prom-client'
import type { Tracer } from '../contract/tracing.ts'
import type { JobStore, KeyLimits } from '../jobs/job-store.ts'
import type { Catalogue, ModelDescription } from '../models/catalogue.ts'
import type { Family } from '../models/family.ts'
import type { ModelNames } from '../models/model-names.ts'
import type { PayloadStore } from '../payloads/payload-store.ts'
import type { QueueView } from '../jobs/queue/queue-view.ts'
import type { Usage, UsageQuery } from '../jobs/usage/usage.ts'
import type { WorkerRegistry } from '../jobs/queue/worker-registry.ts'
import type { Webhooks } from '../webhooks/webhooks.ts'
import type { ApiKeys } from './authentication/api-keys.ts'
import type { KeyUses } from './authentication/key-uses.ts'
import type { OutboundGuard } from '../outbound/guard.ts'
import type { Background } from './background.ts'
import type { Recordings } from './uploads/recordings.ts'
import type { RequestLimits } from './http/request-limits.ts'
import type { JobWaits } from './jobs/waiting.ts'
import type { Results } from './jobs/results.ts'
import type { UploadRoom } from './uploads/upload-room.ts'

/** This server's engine, or another server that is called by OpenAI's API. */
export const FRAMEWORKS = ['onnxruntime', 'openai-api'] as const

export interface ApiSettings {
  /** What returned URLs start with; null: what the request came in by. */
  readonly publicUrl: URL | null
  readonly trustedProxies: readonly string[]
  /** Origins whose pages may use the API; `*`: any. */
  readonly corsOrigins: readonly string[]
  readonly maxUploadBytes: number
  /** Of an asynchronous job; null: any length. */
  readonly maxAudioSeconds: number | null
  readonly uploadUrlTtlSeconds: number
  readonly pollUrlTtlSeconds: number
  /** What runs the models. */
  readonly framework: (typeof FRAMEWORKS)[number]
  readonly syncTimeoutMs: number
  /** How long finished jobs are kept; null: for ever. */
  readonly retentionMs: number | null
  /** Of one API key; null: any number. */
  readonly maxRequestsPerSecond: number | null
  /** Event streams of one API key, and as many requests that wait; null: any number. */
  readonly maxStreams: number | null
  /** Of a key that has none of its own. */
  readonly keyLimits: KeyLimits
  readonly openai: OpenAiSettings
}

/** Of OpenAI's routes, and of /asr. */
export interface OpenAiSettings {
  /** Null: the largest whose weights are here. */
  readonly defaultModel: string | null
  /** Names, and the ids of the models that they stand for. */
  readonly modelAliases: ReadonlyMap<string, string>
  /** Of a form, with its recording. */
  readonly maxBytes: number
  /** How long a client waits at most. */
  readonly timeoutMs: number
}

/** What the API is made of. */
export interface ApiParts {
  readonly jobs: JobStore
  readonly queue: QueueView
  readonly usage: (asked: UsageQuery) => Promise<readonly Usage[]>
  readonly workers: WorkerRegistry
  readonly payloads: PayloadStore
  readonly recordings: Recordings
  readonly results: Results
  readonly catalogue: Catalogue
  readonly models: { isPresent(id: string): Promise<boolean> }
  /** All that there are, and that of a model, which says what its parameters are. */
  readonly families: readonly Family[]
  readonly familyOf: (model: ModelDescription) => Promise<Family>
  readonly apiKeys: ApiKeys
  readonly signingSecret: Buffer
  /** Fails unless this process's worker answers; null: it has none. */
  readonly checkWorker: ((signal: AbortSignal) => Promise<void>) | null
  /** Whether `gpuflex` jobs can be served at all. */
  readonly servesGpuTier: () => Promise<boolean>
  /** Has the payloads of removed jobs removed, and waits for nothing. */
  readonly clearGarbage: () => void
  /** What keys may upload before they submit it. */
  readonly uploads: UploadRoom
  readonly webhooks: Webhooks
  /** Which URLs that clients name this server may ask. */
  readonly guard: OutboundGuard
  /** Aborted when the server is about to stop: it still answers, but is not to be sent more. */
  readonly draining: AbortSignal
  readonly tracer: Tracer
  /** What `/metrics` shows, its own metrics beside what is there. */
  readonly metrics: Registry
  readonly settings: ApiSettings
  readonly logger: FastifyBaseLogger
}

/** What the routes work with. */
export interface ApiContext extends ApiParts {
  /** What a client may call a model, beside its id. */
  readonly names: ModelNames
  readonly limits: RequestLimits
  readonly background: Background
  readonly keyUses: KeyUses
  readonly waits: JobWaits
}
