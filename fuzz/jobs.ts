import { setTimeout as delay } from 'node:timers/promises'
import { Check } from 'typebox/value'
import { TranscriptSchema } from '../src/contract/transcript.ts'
import type { Client, JobBody } from '../test/support/client.ts'

const POLL_MS = 25
/** Beyond what any case takes on a busy machine: it only tells a job that hangs. */
const JOB_LIMIT_MS = 180_000
/** What runs still by then may be a recording that is fetched from nowhere, which takes minutes. */
const PATIENCE_MS = 10_000
/** To be looked for in the log. */
const TRANSCRIPTS = 50
const FINISHED = new Set(['success', 'failed', 'cancelled'])

/** Codes that say that nobody foresaw it. */
const UNFORESEEN = new Set(['engine.failed', 'engine.crashed', 'engine.bad_answer', 'job.crashed', 'server.failed'])

/** Polls until the job has finished; undefined: it hangs. */
export async function finished(client: Client, id: string): Promise<JobBody | undefined> {
  const endMs = performance.now() + JOB_LIMIT_MS
  for (;;) {
    const job = await client.poll(id)
    if (FINISHED.has(job.status)) return job
    if (performance.now() > endMs) return undefined
    await delay(POLL_MS)
  }
}

/** What is wrong with how a job ended. */
export function faultsOfJob(id: string, job: JobBody | undefined): readonly string[] {
  if (job === undefined) return [`job ${id} has not finished after ${JOB_LIMIT_MS / 1000} s`]
  if (job.status === 'success') {
    return Check(TranscriptSchema, job.result) ? [] : [`job ${id} succeeded with a result that is no transcript`]
  }
  if (job.status === 'cancelled') return []
  const { code = '', message = '' } = job.error ?? {}
  if (code === '' || message === '') return [`job ${id} failed without saying why`]
  return UNFORESEEN.has(code) ? [`job ${id} failed with ${code}: ${message}`] : []
}

/** All jobs that are in a state. */
async function jobsIn(client: Client, status: string): Promise<readonly JobBody[]> {
  const found: JobBody[] = []
  let before: string | null = null
  do {
    const query: string = before === null ? '' : `&before=${before}`
    const page: { readonly requests: readonly JobBody[]; readonly next: string | null } = await client.json(
      200,
      `/v1/async/requests?status=${status}${query}`,
    )
    found.push(...page.requests)
    before = page.next
  } while (before !== null)
  return found
}

export interface Settled {
  readonly jobs: number
  readonly faults: readonly string[]
  /** What some of them said. */
  readonly transcripts: readonly string[]
}

/** Cancels what waits, waits for what runs, not for long, and looks at all that has finished. */
export async function settle(client: Client): Promise<Settled> {
  // 409: it has finished meanwhile.
  const cancel = async (id: string): Promise<void> =>
    void (await client.fetch(`/v1/async/requests/${id}/cancel`, { method: 'POST' }))
  for (const { id } of await jobsIn(client, 'pending')) await cancel(id)
  const running = [...(await jobsIn(client, 'pending')), ...(await jobsIn(client, 'processing'))]
  const ended = await Promise.all(
    running.map(async ({ id }) => {
      const ending = finished(client, id)
      const isDone = await Promise.race([ending.then(() => true), delay(PATIENCE_MS, false, { ref: false })])
      if (!isDone) await cancel(id)
      return { id, job: await ending }
    }),
  )
  const faults = ended.filter(({ job }) => job === undefined).flatMap(({ id }) => faultsOfJob(id, undefined))
  const transcripts: string[] = []
  let jobs = 0
  for (const status of ['success', 'failed', 'cancelled']) {
    for (const { id } of await jobsIn(client, status)) {
      jobs += 1
      const response = await client.fetch(`/v1/async/requests/${id}`)
      const body = await response.text()
      if (response.status !== 200) {
        faults.push(`job ${id} (${status}) can't be read: ${response.status} ${body.slice(0, 300)}`)
        continue
      }
      const job = JSON.parse(body) as JobBody
      faults.push(...faultsOfJob(id, job))
      if (typeof job.result?.text === 'string' && transcripts.length < TRANSCRIPTS) transcripts.push(job.result.text)
    }
  }
  return { jobs, faults, transcripts }
}
