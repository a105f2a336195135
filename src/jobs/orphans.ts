import type { JobStore } from './store.ts'

export interface StoredPayload {
  readonly key: string
  readonly modifiedAt: Date
}

export interface OrphansOptions {
  readonly jobs: Pick<JobStore, 'find' | 'usesPayload'>
  readonly payloads: {
    list(folder: string): AsyncIterable<StoredPayload>
    remove(key: string): Promise<void>
    /** Uploads that were begun before then and never completed. */
    removeUnfinished(before: Date): Promise<number>
  }
  /** Younger ones may still be submitted, or be some worker's that is about to settle its job. */
  readonly olderThanMs: number
}

/**
 * Removes what no job knows: uploads that nobody submitted, and results whose worker died or lost its lease between storing them and
 * settling the job. Says how many there were.
 */
export async function removeOrphans(
  { jobs, payloads, olderThanMs }: OrphansOptions,
  signal: AbortSignal,
): Promise<number> {
  const before = new Date(Date.now() - olderThanMs)
  let removed = await payloads.removeUnfinished(before)
  const remove = async (folder: string, isKnown: (key: string) => Promise<boolean>): Promise<void> => {
    for await (const { key, modifiedAt } of payloads.list(folder)) {
      signal.throwIfAborted()
      if (modifiedAt >= before || (await isKnown(key))) continue
      await payloads.remove(key)
      removed += 1
    }
  }
  await remove('uploads', (key) => jobs.usesPayload(key))
  await remove('results', async (key) => {
    const job = await jobs.find(key.split('/')[1] ?? '')
    return job !== undefined && (job.resultKey === null || job.resultKey === key)
  })
  return removed
}
