import type { Generated, Selectable } from 'kysely'
import type { JobStatus, ServiceTier } from './job.ts'

/**
 * The tables as Kysely sees them, the same for every database that a store is written for. Times are seconds since 1970
 * by the database's clock, with fractions; they are made by the database alone.
 */
export interface Schema {
  jobs: JobsTable
  job_windows: JobWindowsTable
  api_keys: ApiKeysTable
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
  /** A JSON object. */
  input: string
  payload_key: string
  result_key: string | null
  error_code: string | null
  error_message: string | null
  max_audio_seconds: number | null
  /** 0 or 1. */
  urgent: number
  accepted_at: Generated<number>
  started_at: number | null
  completed_at: number | null
  cancel_requested_at: number | null
  attempt: Generated<number>
  failures: Generated<number>
  crashes: Generated<number>
  /** Null unless the status is `processing`, as is `lease_until`. */
  lease_token: string | null
  lease_until: number | null
}

export type JobRow = Selectable<JobsTable>

/** What is kept of jobs that have not finished. */
export interface JobWindowsTable {
  job_id: string
  ordinal: number
  data: string
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

/** One row, written to learn whether the database takes a write. */
export interface WriteChecksTable {
  id: number
  checked_at: number
}
