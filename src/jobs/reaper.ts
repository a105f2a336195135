import type { JobStore } from './store.ts'

export interface ReaperOptions {
  readonly jobs: Pick<JobStore, 'reap' | 'expire' | 'garbage' | 'forgetGarbage' | 'usesPayload'>
  /** Removes an object from the payload store; no error when there is none. */
  readonly removePayload: (key: string) => Promise<void>
  /** How often the process that runs a job may die before the job fails. */
  readonly crashes: number
}

/** What is removed in one step, so that no step takes long. */
const STEP = 100

/**
 * One round of what no request does: takes expired leases back, ends what has waited too long, and removes what is due. Every
 * server does this; what one of them does at a time, the others pass over.
 */
export async function reap({ jobs, removePayload, crashes }: ReaperOptions, signal: AbortSignal): Promise<void> {
  await jobs.reap({ crashes })
  while ((await jobs.expire(STEP)) === STEP) signal.throwIfAborted()
  await clearGarbage({ jobs, removePayload }, signal)
}

/** A payload that another job was submitted with stays; it becomes garbage again with that job. */
export async function clearGarbage(
  { jobs, removePayload }: Pick<ReaperOptions, 'jobs' | 'removePayload'>,
  signal: AbortSignal,
): Promise<void> {
  for (let keys = await jobs.garbage(STEP); keys.length > 0; keys = await jobs.garbage(STEP)) {
    for (const key of keys) {
      signal.throwIfAborted()
      if (!(await jobs.usesPayload(key))) await removePayload(key)
    }
    await jobs.forgetGarbage(keys)
  }
}
