import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyReply } from 'fastify'
import { isFinished } from '../../jobs/job.ts'
import type { Job } from '../../jobs/job.ts'
import type { NewJob } from '../../jobs/job-store.ts'
import type { ApiContext } from '../context.ts'
import { ignore } from '../bodies/arriving.ts'
import { submitRecording } from './submit-recording.ts'

/** How long a job is kept that its client should have had the answer of by then; or it is gone. */
export const KEPT_MS = 600_000
/** For the answer to be made, when a client has waited as long as it may. */
const ANSWER_MS = 60_000
/** News of a job may get lost, and clients wait for long. */
const LOOK_MS = 15_000

/** A job that a client holds its connection open for. */
export interface AttendedJob extends Omit<NewJob, 'startBy' | 'timeoutSeconds' | 'expiresAt' | 'idempotency'> {
  /** Whether the recording came with the request, or by it, so that no other job can have it. */
  readonly isSent: boolean
}

export interface Attendance {
  /** Aborted when the client leaves. */
  readonly gone: AbortSignal
  /** How long the client is let wait. */
  readonly timeoutMs: number
  /** How long the job is there after it has ended; 0: it goes with the answer. */
  readonly keptMs: number
}

/** To be disposed of when the answer has been made: until then nothing is removed. */
export interface Attended extends Disposable {
  /**
   * The job once it has ended, be it since it was cancelled: by the client that left, or when its time was up. It may still run then, to be
   * stopped within seconds. Undefined: it is not there any more.
   */
  readonly ended: Promise<Job | undefined>
}

/** Lets a connection carry nothing for as long as its client may wait: others are closed before. Until its answer has been sent. */
export function keepWaiting({ raw }: FastifyReply, timeoutMs: number): void {
  raw.setTimeout(timeoutMs + ANSWER_MS)
}

/**
 * Submits a job while its client waits. It is cancelled when the client leaves or its time is up, and removed some time after its end.
 * @throws JobStoreError, LimitError as a submit does; then nothing is left
 */
export async function attend(
  { isSent, ...job }: AttendedJob,
  { gone, timeoutMs, keptMs }: Attendance,
  context: ApiContext,
): Promise<Attended> {
  const { jobs } = context
  const { promise: ending, resolve: end } = Promise.withResolvers<'finished' | 'cancel'>()
  using watch = new DisposableStack()
  watch.use(jobs.onJob('finished', job.id, () => end('finished')))
  const timer = setTimeout(() => end('cancel'), timeoutMs)
  watch.defer(() => clearTimeout(timer))
  const onGone = (): void => end('cancel')
  gone.addEventListener('abort', onGone)
  watch.defer(() => gone.removeEventListener('abort', onGone))
  if (gone.aborted) onGone()
  const { promise: over, resolve: release } = Promise.withResolvers<void>()
  // The answer does not wait for it, and is not changed by it. From here on, so that whoever closes the server waits for all of this.
  context.background.start('removing an attended job', async (closing) => {
    await over
    await clear({ ...job, isSent }, keptMs, context, closing)
  })
  try {
    const inTime = new Date(Date.now() + timeoutMs)
    // Should this server die, the job expires: nobody waits for it any more.
    const times = { startBy: inTime, timeoutSeconds: null, expiresAt: new Date(inTime.getTime() + KEPT_MS) }
    await submitRecording({ ...job, ...times, idempotency: null }, context)
  } catch (error) {
    release()
    throw error
  }
  const lookForIt = async (): Promise<void> => {
    const found = await jobs.find(job.id)
    if (found === undefined || isFinished(found.status)) end('finished')
  }
  // What fails is looked at again.
  const look = setInterval(() => void lookForIt().catch(ignore), LOOK_MS)
  watch.defer(() => clearInterval(look))
  const watching = watch.move()
  const settle = async (): Promise<Job | undefined> => {
    try {
      return (await ending) === 'finished' ? await jobs.find(job.id) : await jobs.cancel(job.id)
    } finally {
      watching.dispose()
    }
  }
  const ended = settle()
  // It may fail before anybody waits for it.
  ended.catch(ignore)
  return { ended, [Symbol.dispose]: release }
}

/** A job that is being cancelled is removed when its worker has let go of it; one that can't be waited for goes when it expires. */
async function clear(
  { id, payloadKey, isSent }: Pick<AttendedJob, 'id' | 'payloadKey' | 'isSent'>,
  keptMs: number,
  { jobs, payloads, clearGarbage }: ApiContext,
  closing: AbortSignal,
): Promise<void> {
  const isKept = keptMs > 0 && (await jobs.find(id)) !== undefined
  if (isKept) {
    await delay(keptMs, undefined, { signal: closing, ref: false }).catch(ignore)
    // It goes when it expires.
    if (closing.aborted) return
  }
  const { promise: ended, resolve: end } = Promise.withResolvers<void>()
  using _ = jobs.onJob('finished', id, end)
  const timer = setTimeout(end, KEPT_MS)
  closing.addEventListener('abort', () => end())
  try {
    const job = await jobs.find(id)
    if (job === undefined) {
      // Its submit failed, so that nothing else knows of a recording that was sent with the request.
      if (isSent && !isKept) await payloads.remove(payloadKey)
      return
    }
    if (!isFinished(job.status) && !closing.aborted) await ended
  } finally {
    clearTimeout(timer)
  }
  // Does nothing with a job that has not finished.
  if (await jobs.remove(id)) clearGarbage()
}
