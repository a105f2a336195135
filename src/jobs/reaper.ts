import type { JobStore } from './store.ts'

export interface ReaperOptions {
  readonly jobs: Pick<JobStore, 'reap' | 'expire'>
  /** How often the process that runs a job may die before the job fails. */
  readonly crashes: number
}

/** What is removed in one step, so that no step takes long. */
const STEP = 100

/**
 * One round of what no request does: takes expired leases back, ends what has waited too long, and removes what is due. Every
 * server does this; what one of them does at a time, the others pass over.
 */
export async function reap({ jobs, crashes }: ReaperOptions, signal: AbortSignal): Promise<void> {
  await jobs.reap({ crashes })
  while ((await jobs.expire(STEP)) === STEP) signal.throwIfAborted()
}
