import type { Logger } from 'pino'
import { CodedError } from '../../contract/coded-error.ts'
import type { Job, JobError } from '../../jobs/job.ts'
import type { ClaimedJob, JobStore } from '../../jobs/job-store.ts'
import { patiently } from './patience.ts'
import type { Patience } from './patience.ts'

const FIRST_PAUSE_MS = 1000
const MAX_PAUSE_MS = 60_000
/** No fault of the job, which would use up its tries while somebody makes room. But when nobody does, it is told so. */
const NO_ROOM = 'engine.disk_full'
const FIRST_ROOM_PAUSE_MS = 5000
const MAX_ROOM_PAUSE_MS = 300_000
const ROOM_LIMIT_MS = 3_600_000
/** A worker that stops waits no longer for a database that is away: the lease runs out, and the job is another's. */
const STOPPING: Patience = { totalMs: 5000, firstPauseMs: 250, longestPauseMs: 1000 }

/** By then another job may have ended; and a queue whose first job finds no room is not asked for it at each look. */
const NO_PLACE_PAUSE_MS = 1000

/** `no-room`: there is no place for it here now, after all. */
export type StopReason = 'cancelled' | 'stopping' | 'lost' | 'timeout' | 'too-slow' | 'no-room'

export class Stopped extends Error {
  readonly reason: StopReason
  constructor(reason: StopReason) {
    super(`stopped: ${reason}`)
    this.reason = reason
  }
}

export interface SettlingOptions {
  readonly jobs: Pick<JobStore, 'fail' | 'release' | 'retry' | 'defer' | 'settleCancelled'>
  readonly claimed: ClaimedJob
  readonly logger: Logger
  /** Retryable errors, and crashes of the engine, that a job may have before it fails. */
  readonly limits: { readonly failures: number; readonly crashes: number }
  /** How long one run may take; null: as long as it takes. */
  readonly maxRunMs: number | null
  /** Aborted when the worker is to stop. */
  readonly stop: AbortSignal
  /** For tests; else as long as a transcript may wait for its store. */
  readonly patience?: Patience
}

/** What becomes of a job whose run ended without a transcript. A database that is away for a moment costs no crash: it is waited for. */
export async function settle(error: unknown, options: SettlingOptions): Promise<void> {
  const { jobs, claimed, logger, limits } = options
  const { job, lease } = claimed
  const doing = <T>(action: () => Promise<T>): Promise<T> => untilSettled(action, options)
  if (error instanceof Stopped) {
    logger.info({ reason: error.reason }, 'job stopped')
    await doing(() => settleStopped(options, error.reason))
    return
  }
  const { code, message, retryable } = describe(error)
  if (!retryable) {
    logger.info({ code }, 'job failed')
    await doing(() => jobs.fail(lease, { code, message }))
    return
  }
  if (code === NO_ROOM) {
    const waits = { limitMs: ROOM_LIMIT_MS, pauseMs: roomPauseOf(job) }
    const became = await doing(() => jobs.defer(lease, noRoom(message), waits))
    logger.warn({ err: error, became }, 'the job waits for room on the disk')
    return
  }
  const cause = code === 'engine.crashed' ? 'crash' : 'error'
  const became = await doing(() => jobs.retry(lease, cause, { code, message }, limits, pauseAfter(job)))
  logger.error({ err: error, code, became }, 'job broke off')
}

/** Does what settles a job again and again while the database is away, and somebody has the time to wait. */
export async function untilSettled<T>(
  action: () => Promise<T>,
  { logger, stop, patience }: Pick<SettlingOptions, 'logger' | 'stop' | 'patience'>,
): Promise<T> {
  const onPause = (error: unknown): void =>
    logger.warn({ err: error }, 'the jobs table does not answer; the job waits to be settled')
  if (stop.aborted) return await patiently(action, new AbortController().signal, onPause, STOPPING)
  try {
    return await patiently(action, stop, onPause, patience)
  } catch (error) {
    if (!stop.aborted) throw error
    return await patiently(action, new AbortController().signal, onPause, STOPPING)
  }
}

async function settleStopped({ jobs, claimed, maxRunMs }: SettlingOptions, reason: StopReason): Promise<unknown> {
  const { job, lease } = claimed
  switch (reason) {
    case 'cancelled':
      return await jobs.settleCancelled(lease)
    case 'stopping':
      return await jobs.release(lease)
    case 'no-room':
      return await jobs.release(lease, NO_PLACE_PAUSE_MS)
    case 'timeout':
      return await jobs.fail(lease, {
        code: 'job.timeout',
        message: `The job was still running after the ${job.timeoutSeconds} s that its timeout allows. Submit it again with a longer one.`,
      })
    case 'too-slow':
      return await jobs.fail(lease, {
        code: 'job.too_slow',
        message:
          `The job was still running after the ${(maxRunMs ?? 0) / 1000} s that this server allows. Try a smaller model, or parts ` +
          'of the recording.',
      })
    case 'lost':
      return undefined
  }
}

function noRoom(message: string): JobError {
  return {
    code: NO_ROOM,
    message: `${message} The job waits up to ${ROOM_LIMIT_MS / 3_600_000} h for room, and fails then; it can be submitted again when there is some.`,
  }
}

/** Exponential backoff with jitter: what failed together shall not come back together. */
function pauseAfter({ failures, crashes }: Job): number {
  return jittered(Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures + crashes)))
}

function roomPauseOf({ deferrals }: Job): number {
  return jittered(Math.min(MAX_ROOM_PAUSE_MS, FIRST_ROOM_PAUSE_MS * 2 ** deferrals))
}

function jittered(longestMs: number): number {
  return longestMs * (0.5 + Math.random() / 2)
}

/** What is not foreseen is a bug of ours. */
function describe(error: unknown): CodedError {
  if (error instanceof CodedError) return error
  return new CodedError('server.failed', 'The server failed on this job. Its log says why.')
}
