import { EVERY_TIER } from './new-job.fixture.ts'
import type { ClaimedJob, JobStore } from './job-store.ts'

/** A time that is past, and one that is to come. */
const [PAST, FUTURE] = [1000, 9e9]

/** Columns of the jobs that the version before `ready_at` left, by id. */
const JOBS: Readonly<Record<string, Readonly<Record<string, string | number>>>> = {
  ready: { status: 'pending', rank: 5e9 },
  express: { status: 'pending', rank: 3e9, queue: 'cpuflex/express/a' },
  urgent: { status: 'pending', rank: 5e6, urgent: 1, queue: 'cpuflex/express/a' },
  due: { status: 'pending', rank: 4e9, not_before: PAST, failures: 1 },
  paused: { status: 'pending', rank: 2e9, not_before: FUTURE, failures: 1 },
  late: { status: 'pending', rank: 2e9, start_by: PAST },
  running: { status: 'processing', rank: 1e9, attempt: 1, not_before: PAST, lease_token: 'token', lease_until: FUTURE },
  success: { status: 'success', completed_at: PAST, result_key: 'results/1.json' },
  failed: { status: 'failed', completed_at: PAST, error_code: 'engine.failed', error_message: 'It failed.' },
  cancelled: { status: 'cancelled', completed_at: PAST, cancel_requested_at: PAST },
}

export const JOBS_IN_EVERY_STATE: readonly string[] = Object.entries(JOBS).map(([id, given]) => {
  const row = {
    ...{ id, key_id: 'key-1', model: 'a', service_tier: 'cpuflex', queue: 'cpuflex/ordinary/a', input: '{}' },
    ...{ payload_key: `uploads/${id}.wav`, urgent: 0, ...given },
  }
  const values = Object.values(row).map((value) => (typeof value === 'string' ? `'${value}'` : value))
  return `insert into jobs (${Object.keys(row).join()}) values (${values.join()})`
})

export const GONE_ON = {
  claimed: ['urgent', 'express', 'due', 'ready'],
  wasReleased: true,
  claimedAgain: ['running'],
  statuses: { paused: 'pending', late: 'failed', success: 'success', failed: 'failed', cancelled: 'cancelled' },
}

/** Claims all that may run, gives back what ran, and claims it again. */
export async function goOn(store: JobStore): Promise<typeof GONE_ON> {
  const claimed = await store.claim({ ...EVERY_TIER, atMost: { ordinary: 9, express: 0 } })
  const wasReleased = await store.release({ jobId: 'running', token: 'token', attempt: 1 })
  const claimedAgain = await store.claim(EVERY_TIER)
  const statuses = { ...GONE_ON.statuses }
  for (const id of ['paused', 'late', 'success', 'failed', 'cancelled'] as const)
    statuses[id] = (await store.find(id))?.status ?? 'gone'
  const ids = (claims: readonly ClaimedJob[]): string[] => claims.map(({ job }) => job.id)
  return { claimed: ids(claimed), wasReleased, claimedAgain: ids(claimedAgain), statuses }
}
