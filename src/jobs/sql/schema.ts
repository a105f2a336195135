import type { Generated, Selectable } from 'kysely'
import type { JobPriority, JobStatus, ServiceTier } from '../job.ts'

/**
 * The tables as Kysely sees them, the same for every database that a store is written for. Times are seconds since 1970
 * by the database's clock, with fractions; they are made by the database, but for those that a client asked for.
 */
export interface Schema {
  jobs: JobsTable
  job_windows: JobWindowsTable
  job_events: JobEventsTable
  job_segments: JobSegmentsTable
  job_metadata: JobMetadataTable
  audio_usage: AudioUsageTable
  usage_entries: UsageEntriesTable
  usage_days: UsageDaysTable
  workers: WorkersTable
  garbage: GarbageTable
  api_keys: ApiKeysTable
  secrets: SecretsTable
  write_checks: WriteChecksTable
  uploads: UploadsTable
  installation: InstallationTable
  webhook_secrets: WebhookSecretsTable
  webhook_defaults: WebhookDefaultsTable
  webhook_deliveries: WebhookDeliveriesTable
  webhook_attempts: WebhookAttemptsTable
}

export interface JobsTable {
  /** Grows with each submit: the order of acceptance. */
  sequence: Generated<number>
  id: string
  key_id: string
  model: string
  name: string | null
  /** `foldedText` of the name, to be searched. */
  folded_name: string | null
  /** A JSON object of strings; null: none. */
  metadata: string | null
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
  /** It waits for this, and is in no queue until then; null: it may run. A claim that finds it past makes it null. */
  not_before: number | null
  /** Since when it may run, or will be able to; null: since it was accepted. */
  ready_at: number | null
  start_by: number | null
  timeout_seconds: number | null
  /** Set by its client alone, as is `remove_after_seconds`. Neither: the retention decides. */
  expires_at: number | null
  /** From its end on. */
  remove_after_seconds: number | null
  idempotency_key: string | null
  request_hash: string | null
  attempt: Generated<number>
  failures: Generated<number>
  crashes: Generated<number>
  /** How often it was given back uncounted, to wait for room, since `deferred_since`. */
  deferrals: Generated<number>
  deferred_since: number | null
  /** Why it was given back last; null: for no reason of its own. */
  waiting_code: string | null
  waiting_message: string | null
  /** Names the content of the recording that was submitted; null: it can't be replaced. */
  payload_version: string | null
  /** Where the recording is still to be fetched from; null: it is in the payload store. */
  source_url: string | null
  /** Null unless the status is `processing`, as is `lease_until`. */
  lease_token: string | null
  lease_until: number | null
  /** Id of the worker that claimed it last; null: it did not say, or none has yet. */
  claimed_by: string | null
  /** As `webhook_deliveries.endpoint`; null: nobody is told of it. */
  webhook: string | null
  /** What its webhook is told: types of events, with a space between two. */
  webhook_events: string | null
  webhook_queue: string | null
  /** W3C Trace Context of the submit; null: it belongs to no trace. */
  traceparent: string | null
}

export type JobRow = Selectable<JobsTable>

/** Finished windows of jobs that have not finished. */
export interface JobWindowsTable {
  job_id: string
  ordinal: number
  data: string
}

/** The pairs of `jobs.metadata`, kept by triggers, by which jobs are found; without the urgent ones'. */
export interface JobMetadataTable {
  job_id: string
  key_id: string
  name: string
  value: string
}

/** What happened to jobs, written by triggers on their tables. */
export interface JobEventsTable {
  /** Grows in the order of commits; null: not told yet, as `event-order.ts` says. */
  sequence: Generated<number>
  job_id: string
  key_id: string
  kind: string
  /** A JSON object, whose members may be null. */
  data: string
  at: number
}

/** What the windows of a job have told of its transcript, kept as long as the job. */
export interface JobSegmentsTable {
  job_id: string
  /** Of the window: an event that tells of so many windows tells of what is below. */
  ordinal: number
  /** Position in the transcript of the first of them. */
  first_segment: number
  /** A JSON array, perhaps empty. */
  segments: string
}

/** Seconds of audio that a key has submitted on a day of UTC. */
export interface AudioUsageTable {
  key_id: string
  /** Days since 1970. */
  day: number
  audio_seconds: number
}

/** What a job took that has finished, written by a trigger: of each its own row, so that jobs of one key do not wait for each other. */
export interface UsageEntriesTable {
  sequence: Generated<number>
  key_id: string
  /** Days since 1970, on which it finished. */
  day: number
  model: string
  /** `success`, `cancelled`, or the code by which it failed. */
  outcome: string
  /** That became text. */
  audio_seconds: number
  /** Of the last run. */
  run_seconds: number
}

/** What was summed up of these. */
export interface UsageDaysTable {
  key_id: string
  day: number
  model: string
  outcome: string
  jobs: number
  audio_seconds: number
  run_seconds: number
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

/** Payloads that are to be removed, are being removed, or were removed a short time ago. `garbage.ts` says how. */
export interface GarbageTable {
  /** With a slash at its end, all that lies below. */
  payload_key: string
  /** It is not tried before that. */
  due_at: Generated<number>
  failures: Generated<number>
  /** Set once somebody may have begun to remove it: no job takes it any more. Until then nobody else does. */
  claimed_until: number | null
  removed_at: number | null
}

/** What was uploaded through the API, and not submitted yet. */
export interface UploadsTable {
  payload_key: string
  key_id: string
  bytes: number
  /** As its sender calls the file; null: it did not say. */
  name: string | null
  folded_name: string | null
  updated_at: number
}

/** One row: which database this is, to be compared with what the payload store says. */
export interface InstallationTable {
  only_row: number
  id: string
  created_at: number
  /** Grows from time to time, here first. */
  generation: Generated<number>
  /** 1: the payload store that is found next belongs to this database, whatever it says. */
  adopts: Generated<number>
}

export interface ApiKeysTable {
  id: string
  name: string
  /** Beginning of the secret, to tell keys apart. */
  prefix: string
  /** SHA-256 of the secret in hexadecimal digits. */
  hash: string
  created_at: Generated<number>
  /** A JSON array of scopes. */
  scopes: Generated<string>
  /** A JSON array of model ids and aliases; null: any model. */
  models: string | null
  expires_at: number | null
  /** To the minute; null: not since it is noted. */
  last_used_at: number | null
  /** Its own limits in the place of the server's. Null: the server's; 0: none. */
  queued_jobs: number | null
  running_jobs: number | null
  audio_seconds_per_day: number | null
  requests_per_minute: number | null
}

/** Secrets that all servers on one database share, in base64. */
export interface SecretsTable {
  name: string
  value: string
}

/** What keys sign their webhooks with, where an endpoint has no secret of its own. */
export interface WebhookSecretsTable {
  /** As receivers are given it, `whsec_…`. */
  value: string
  key_id: string
  created_at: number
  /** Until when it signs beside the one that came after it; null: it is the key's current one. */
  valid_until: number | null
}

/** Where what happens to a key's jobs is told that name no webhook of their own. */
export interface WebhookDefaultsTable {
  key_id: string
  /** JSON, as `endpoint.ts` of the webhooks has it. */
  endpoint: string
  /** As `jobs.webhook_events`. */
  events: string
  updated_at: number
  /** Set when it answered that it is gone (410). */
  disabled_at: number | null
}

/** The outbox: what webhooks were told and are to be told, written by triggers on `jobs`. */
export interface WebhookDeliveriesTable {
  /** The `webhook-id`, the same for all attempts. */
  id: string
  key_id: string
  job_id: string
  /** `job.success`, say. */
  type: string
  /** When the event happened. */
  at: number
  /** A JSON object: the job as it was then. */
  data: string
  /** Of one key and host: what is due of one queue is delivered a few at a time. */
  queue: string
  /** JSON, as `endpoint.ts` of the webhooks has it. */
  endpoint: string
  /** When it is tried next; while it is being tried, when another may take it over; null: it has an outcome. */
  due_at: number | null
  /** The fence of whoever tries it; null: nobody does. */
  token: string | null
  /** Failed attempts since it was written or asked for again. */
  tries: Generated<number>
  outcome: string | null
  created_at: number
}

/** Each attempt at a delivery, from 1. */
export interface WebhookAttemptsTable {
  delivery_id: string
  ordinal: number
  at: number
  duration_ms: number
  /** The HTTP status of the answer; null: there was none. */
  status: number | null
  /** Why it failed; null: it did not. */
  code: string | null
  detail: string | null
  /** The beginning of the answer's body. */
  answer: string | null
}

/** One row, written to learn whether the database takes a write. */
export interface WriteChecksTable {
  id: number
  checked_at: number
}
