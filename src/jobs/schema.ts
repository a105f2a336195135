import type { Generated, Selectable } from 'kysely'
import type { JobPriority, JobStatus, ServiceTier } from './job.ts'

/**
 * The tables as Kysely sees them, the same for every database that a store is written for. Times are seconds since 1970
 * by the database's clock, with fractions; they are made by the database, but for those that a client asked for.
 */
export interface Schema {
  jobs: JobsTable
  job_windows: JobWindowsTable
  audio_usage: AudioUsageTable
  workers: WorkersTable
  garbage: GarbageTable
  api_keys: ApiKeysTable
  secrets: SecretsTable
  write_checks: WriteChecksTable
}

export interface JobsTable {
  /** Grows with each submit: the order of acceptance. */
  sequence: Generated<number>
  id: string
  key_id: string
  model: string
  status: Generated<JobStatus>
  service_tier: ServiceTier
  served_tier: ServiceTier | null
  priority: Generated<JobPriority>
  /** A JSON object. */
  input: string
  payload_key: string
  result_key: string | null
  error_code: string | null
  error_message: string | null
  max_audio_seconds: number | null
  audio_seconds: Generated<number>
  /** Seconds of audio whose windows are kept. */
  done_seconds: Generated<number>
  /** 0 or 1. */
  urgent: number
  /** `queueOf`: jobs of one queue are claimed in the order of their rank. */
  queue: string
  /** `laneOf`: jobs of one key in one lane stand behind each other. */
  lane: Generated<number>
  virtual_start: Generated<number>
  rank: Generated<number>
  accepted_at: Generated<number>
  started_at: number | null
  completed_at: number | null
  cancel_requested_at: number | null
  /** After a failure it is not claimed before this. */
  not_before: number | null
  start_by: number | null
  timeout_seconds: number | null
  /** Set when it finishes, unless its client set it. Null: it is kept. */
  expires_at: number | null
  idempotency_key: string | null
  request_hash: string | null
  attempt: Generated<number>
  failures: Generated<number>
  crashes: Generated<number>
  /** Null unless the status is `processing`, as is `lease_until`. */
  lease_token: string | null
  lease_until: number | null
}

export type JobRow = Selectable<JobsTable>

/** Finished windows of jobs that have not finished. */
export interface JobWindowsTable {
  job_id: string
  ordinal: number
  data: string
}

/** Seconds of audio that a key has submitted on a day of UTC. */
export interface AudioUsageTable {
  key_id: string
  /** Days since 1970. */
  day: number
  audio_seconds: number
}

export interface WorkersTable {
  id: string
  served_tier: ServiceTier
  /** A JSON array of service tiers. */
  asked_tiers: string
  /** A JSON array of model ids; null: any model. */
  models: string | null
  slots: number
  /** A JSON object: seconds of audio per second, for each model that it has measured. */
  speeds: string
  seen_at: number
}

/** Payloads that are to be removed, since the job that they belonged to is gone. */
export interface GarbageTable {
  payload_key: string
}

export interface ApiKeysTable {
  id: string
  name: string
  /** Beginning of the secret, to tell keys apart. */
  prefix: string
  /** SHA-256 of the secret in hexadecimal digits. */
  hash: string
  created_at: Generated<number>
}

/** Secrets that all servers on one database share, in base64. */
export interface SecretsTable {
  name: string
  value: string
}

/** One row, written to learn whether the database takes a write. */
export interface WriteChecksTable {
  id: number
  checked_at: number
}
