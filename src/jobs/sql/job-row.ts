import Type from 'typebox'
import { Compile } from 'typebox/compile'
import { foldedText } from '../job-labels.ts'
import type { Metadata } from '../job-labels.ts'
import type { Job, JobWebhook } from '../job.ts'
import type { JobRow } from './schema.ts'

export function jobOf(row: JobRow): Job {
  return {
    id: row.id,
    keyId: row.key_id,
    model: row.model,
    name: row.name,
    metadata: metadataOf(row),
    status: row.status,
    serviceTier: row.service_tier,
    servedTier: row.served_tier,
    priority: row.priority,
    urgent: row.urgent === 1,
    input: inputOf(row),
    payloadKey: row.payload_key,
    payloadVersion: row.payload_version,
    sourceUrl: row.source_url,
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
    readyAt: dateOf(row.ready_at ?? row.accepted_at),
    startedAt: dateOrNull(row.started_at),
    completedAt: dateOrNull(row.completed_at),
    cancelRequestedAt: dateOrNull(row.cancel_requested_at),
    startBy: dateOrNull(row.start_by),
    timeoutSeconds: row.timeout_seconds,
    expiresAt: dateOrNull(row.expires_at),
    removeAfterSeconds: row.remove_after_seconds,
    attempt: row.attempt,
    failures: row.failures,
    crashes: row.crashes,
    deferrals: row.deferrals,
    webhook: webhookOf(row),
    traceparent: row.traceparent,
  }
}

function webhookOf({ webhook: endpoint, webhook_events: events, webhook_queue: queue }: JobRow): JobWebhook | null {
  return endpoint === null || events === null || queue === null ? null : { endpoint, events: events.split(' '), queue }
}

/** Rounded, since `Date` would cut 1.2899999 s to 1.289 s. */
export function dateOf(seconds: number): Date {
  return new Date(Math.round(seconds * 1000))
}

export function secondsOf(date: Date | null): number | null {
  return date === null ? null : date.getTime() / 1000
}

function dateOrNull(seconds: number | null): Date | null {
  return seconds === null ? null : dateOf(seconds)
}

/** A damaged input is for the job's own run to fail by: a claim, a list and a poll work all the same. */
function inputOf(row: JobRow): Readonly<Record<string, unknown>> | null {
  try {
    const input: unknown = JSON.parse(row.input)
    return typeof input === 'object' && input !== null && !Array.isArray(input) ? { ...input } : null
  } catch {
    return null
  }
}

const NO_METADATA: Metadata = Object.freeze({})
const METADATA = Compile(Type.Record(Type.String(), Type.String()))

/** As the input, a damaged one keeps no job from being seen. */
function metadataOf({ metadata }: JobRow): Metadata {
  if (metadata === null) return NO_METADATA
  try {
    const pairs: unknown = JSON.parse(metadata)
    return METADATA.Check(pairs) ? pairs : NO_METADATA
  } catch {
    return NO_METADATA
  }
}

/** What is stored of a job's name and metadata. */
export function labelColumns(
  name: string | null,
  metadata: Metadata,
): Pick<JobRow, 'name' | 'folded_name' | 'metadata'> {
  return {
    ...nameColumns(name),
    metadata: Object.keys(metadata).length === 0 ? null : JSON.stringify(metadata),
  }
}

export function nameColumns(name: string | null): Pick<JobRow, 'name' | 'folded_name'> {
  return { name, folded_name: name === null ? null : foldedText(name) }
}
