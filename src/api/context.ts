import type { FastifyBaseLogger } from 'fastify'
import type { JobStore } from '../jobs/store.ts'
import type { Catalogue } from '../models/catalogue.ts'
import type { ResumableUploads } from '../payloads/resumable-uploads.ts'
import type { PayloadStore } from '../payloads/store.ts'
import type { ApiKeys } from './api-keys.ts'

/** This server's engine, or another server that is called by OpenAI's API. */
export const FRAMEWORKS = ['onnxruntime', 'openai-api'] as const

export interface ApiSettings {
  /** What returned URLs start with; null: what the request came in by. */
  readonly publicUrl: URL | null
  readonly trustedProxies: readonly string[]
  readonly maxUploadBytes: number
  readonly uploadUrlTtlSeconds: number
  readonly pollUrlTtlSeconds: number
  /** What runs the models. */
  readonly framework: (typeof FRAMEWORKS)[number]
  /** Whether `gpuflex` jobs can be served at all. */
  readonly servesGpuTier: boolean
  readonly syncTimeoutMs: number
}

/** What the routes work with. */
export interface ApiContext {
  readonly jobs: JobStore
  readonly payloads: PayloadStore
  /** Null where the store has none, so that clients don't upload through the API. */
  readonly resumable: ResumableUploads | null
  readonly catalogue: Catalogue
  readonly models: { isPresent(id: string): Promise<boolean> }
  readonly apiKeys: ApiKeys
  readonly signingSecret: Buffer
  /** Fails unless a worker answers. */
  readonly checkWorker: (signal: AbortSignal) => Promise<void>
  readonly settings: ApiSettings
  readonly logger: FastifyBaseLogger
}
