import { JobStoreError } from './errors.ts'
import type { Job } from './job.ts'
import type { JobRow } from './schema.ts'

/** @throws JobStoreError `store.damaged` when the row holds no JSON object as its input */
export function jobOf(row: JobRow): Job {
  return {
    id: row.id,
    keyId: row.key_id,
    model: row.model,
    status: row.status,
    serviceTier: row.service_tier,
    servedTier: row.served_tier,
    priority: row.priority,
    urgent: row.urgent === 1,
    input: inputOf(row),
    payloadKey: row.payload_key,
    payloadVersion: row.payload_version,
    resultKey: row.result_key,
    error: row.error_code === null ? null : { code: row.error_code, message: row.error_message ?? '' },
    waitingFor:
      row.status !== 'pending' || row.waiting_code === null
        ? null
        : { code: row.waiting_code, message: row.waiting_message ?? '' },
    maxAudioSeconds: row.max_audio_seconds,
    audioSeconds: row.audio_seconds,
    doneSeconds: row.done_seconds,
    acceptedAt: dateOf(row.accepted_at),
    startedAt: dateOrNull(row.started_at),
    completedAt: dateOrNull(row.completed_at),
    cancelRequestedAt: dateOrNull(row.cancel_requested_at),
    startBy: dateOrNull(row.start_by),
    timeoutSeconds: row.timeout_seconds,
    expiresAt: dateOrNull(row.expires_at),
    attempt: row.attempt,
    failures: row.failures,
    crashes: row.crashes,
    deferrals: row.deferrals,
  }
}

/** Rounded, since `Date` would cut 1.2899999 s to 1.289 s. */
export function dateOf(seconds: number): Date {
  return new Date(Math.round(seconds * 1000))
}

function dateOrNull(seconds: number | null): Date | null {
  return seconds === null ? null : dateOf(seconds)
}

function inputOf(row: JobRow): Readonly<Record<string, unknown>> {
  let input: unknown
  try {
    input = JSON.parse(row.input)
  } catch (cause) {
    throw damaged(row, cause)
  }
  if (typeof input !== 'object' || input === null || Array.isArray(input)) throw damaged(row)
  return { ...input }
}

function damaged(row: JobRow, cause?: unknown): JobStoreError {
  return new JobStoreError('store.damaged', `The input of job ${row.id} is not a JSON object.`, { cause })
}
