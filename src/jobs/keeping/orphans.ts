import type { Garbage } from './garbage.ts'
import type { JobStore } from '../job-store.ts'

export interface StoredPayload {
  readonly key: string
  readonly modifiedAt: Date
}

export interface OrphansOptions {
  readonly jobs: Pick<JobStore, 'find' | 'usesPayload'>
  readonly payloads: { list(folder: string): AsyncIterable<StoredPayload> }
  readonly garbage: Pick<Garbage, 'add'>
  /** Younger ones may still be submitted, or be some worker's that is about to settle its job. */
  readonly before: Date
}

/** As many as are told of together. */
const BATCH_LENGTH = 100

/**
 * Puts on the list of garbage what no job knows: uploads that nobody submitted, and results whose worker died or lost its lease between
 * storing them and settling the job. Says how many there were.
 */
export async function findOrphans(
  { jobs, payloads, garbage, before }: OrphansOptions,
  signal: AbortSignal,
): Promise<number> {
  let found = 0
  const collect = async (folder: string, isKnown: (key: string) => Promise<boolean>): Promise<void> => {
    const orphans: string[] = []
    for await (const { key, modifiedAt } of payloads.list(folder)) {
      signal.throwIfAborted()
      if (modifiedAt >= before || (await isKnown(key))) continue
      found += 1
      orphans.push(key)
      if (orphans.length >= BATCH_LENGTH) await garbage.add(orphans.splice(0))
    }
    await garbage.add(orphans)
  }
  await collect('uploads', (key) => jobs.usesPayload(key))
  await collect('results', async (key) => {
    const job = await jobs.find(key.split('/')[1] ?? '')
    return job !== undefined && (job.resultKey === null || job.resultKey === key)
  })
  return found
}
