import { isErrorCode } from '../../contract/error-codes.ts'
import type { ModelParameters } from '../../contract/recognition-task.ts'
import type { Traceparent } from '../../contract/tracing.ts'
import type { Transcript } from '../../contract/transcript.ts'
import { newJobId } from '../../jobs/job-id.ts'
import { EXPRESS_SECONDS } from '../../jobs/queue/queue-order.ts'
import { nameOfFile } from '../../jobs/job-labels.ts'
import type { Job, ServiceTier } from '../../jobs/job.ts'
import type { ModelDescription } from '../../models/catalogue.ts'
import type { PayloadKey } from '../../payloads/payload-key.ts'
import { ignore } from '../bodies/arriving.ts'
import type { ApiContext } from '../context.ts'
import { statusOf } from '../errors/error-status.ts'
import { KEPT_MS, attend } from '../jobs/attended-job.ts'
import type { Attended, AttendedJob } from '../jobs/attended-job.ts'
import type { Results } from '../jobs/results.ts'
import { requireTier } from '../jobs/submissions.ts'
import { FieldError, isWorthRepeating, openAiStatus } from './errors.ts'
import { ASYNC_HINT } from './receive-form.ts'

export interface WaitedRequest {
  readonly owner: string
  readonly model: ModelDescription
  readonly input: ModelParameters
  /** Undefined: a GPU where there is one. */
  readonly tier: ServiceTier | undefined
  readonly payloadKey: PayloadKey
  /** Of the recording, as its sender calls it. */
  readonly fileName: string
  readonly traceparent: Traceparent | null
}

/** A job whose client waits for its transcript. */
export interface WaitedJob extends Pick<Attended, 'ended'> {
  readonly id: string
}

/** Where transcripts of finished jobs lie. */
export interface TranscriptSource {
  readonly results: Pick<Results, 'transcript'>
}

/** @throws ApiError 503, JobStoreError, LimitError; then nothing is left of the recording */
export async function startJob(asked: WaitedRequest, gone: AbortSignal, context: ApiContext): Promise<WaitedJob> {
  const job = await newJob(asked, context)
  const attended = await attend(job, { gone, timeoutMs: context.settings.openai.timeoutMs, keptMs: KEPT_MS }, context)
  // It is kept for long enough to be read.
  attended.ended.finally(() => attended[Symbol.dispose]()).catch(ignore)
  return { id: job.id, ended: attended.ended }
}

async function newJob(
  { owner, model, input, tier, payloadKey, fileName, traceparent }: WaitedRequest,
  context: ApiContext,
): Promise<AttendedJob> {
  const { recordings, payloads, settings } = context
  try {
    const serviceTier = await requireTier(tier ?? (await tierHere(context)), context)
    const recording = await recordings.find(payloadKey, owner)
    if (recording === undefined) throw new Error('a recording that was stored is gone')
    const { payloadVersion, audioSeconds } = recording
    return {
      ...{ id: newJobId(), keyId: owner, model: model.id, serviceTier, input },
      ...{ payloadKey, payloadVersion, audioSeconds, isSent: true, name: nameOfFile(fileName) },
      maxAudioSeconds: settings.maxAudioSeconds,
      traceparent,
      // Before all jobs that nobody waits for; but no three-hour recording is to come before other clients' voice notes.
      priority: 'high',
      urgent: audioSeconds <= EXPRESS_SECONDS,
    }
  } catch (error) {
    context.background.start('removing a recording that was not submitted', () => payloads.remove(payloadKey))
    throw error
  }
}

/** A GPU where a worker has one: OpenAI's clients can't ask for it. */
async function tierHere({ workers }: ApiContext): Promise<ServiceTier> {
  const present = await workers.list()
  return present.some(({ served }) => served === 'gpuflex') ? 'gpuflex' : 'cpuflex'
}

/**
 * The transcript of a job that has ended.
 * @throws FieldError that says why there is none
 */
export async function transcriptOf(job: Job | undefined, { results }: TranscriptSource): Promise<Transcript> {
  if (job?.status !== 'success' || job.resultKey === null) throw failureOf(job)
  return await results.transcript(job.resultKey)
}

/** What the client of a job without a transcript is told. */
export function failureOf(job: Job | undefined): FieldError {
  if (job?.error === null || job?.error === undefined) {
    if (job?.startedAt !== null && job?.startedAt !== undefined) {
      return new FieldError(
        `The recording was not transcribed within the time that a request may wait (SOTTO_OPENAI_TIMEOUT), or its job was cancelled. ${ASYNC_HINT}`,
        { status: 503, code: 'timeout', shouldRetry: false },
      )
    }
    return new FieldError(`The server is too busy to answer in time. Try again later. ${ASYNC_HINT}`, {
      status: 503,
      shouldRetry: true,
    })
  }
  const { code, message } = job.error
  const status = openAiStatus((isErrorCode(code) ? statusOf(code) : undefined) ?? 500)
  const shouldRetry = isErrorCode(code) && isWorthRepeating(code, status)
  const param = code.startsWith('audio.') ? 'file' : null
  return new FieldError(message, { status, code, param, shouldRetry })
}
