import { setTimeout as delay } from 'node:timers/promises'
import type { JobBody } from '../support/client.ts'
import type { Acknowledged, ChaosClient } from './clients.ts'
import type { FollowedText } from './followed-text.ts'
import type { WebhookReceiver } from './webhook-receiver.ts'

export interface Verdict {
  readonly acknowledged: number
  readonly success: number
  readonly cancelled: number
  /** By event streams, to their end, without a gap or a repetition. */
  readonly followed: number
  /** Jobs whose end a webhook told, as often as it took, under one id. */
  readonly webhooks: number
  /** Jobs whose process was killed so often that they failed: five times without a finished window in between, as nothing but poison does else. */
  readonly takenForPoison: number
  /** What should not be: each says what and why. */
  readonly losses: readonly string[]
}

const FINISHED = new Set(['success', 'failed', 'cancelled'])
const CRASHED = new Set(['engine.crashed', 'job.crashed'])

/**
 * Waits until all acknowledged jobs have finished, and looks at each: it is there, in one state, with the text of an undisturbed run, or
 * cancelled by its client.
 */
export async function judge(
  client: ChaosClient,
  jobs: readonly Acknowledged[],
  { texts, receiver }: { readonly texts: ReadonlyMap<string, string>; readonly receiver: WebhookReceiver | undefined },
  limitMs: number,
): Promise<Verdict> {
  const endMs = performance.now() + limitMs
  const counts = { success: 0, cancelled: 0, takenForPoison: 0 }
  const losses: string[] = []
  const ends = new Map<string, string>()
  const ids = new Set(jobs.map(({ id }) => id))
  if (ids.size < jobs.length) losses.push(`${jobs.length - ids.size} submits were answered with another submit's job`)
  for (const { id, clip, wasCancelled, heard } of jobs) {
    let job = await client.poll(id)
    while (!FINISHED.has(job.status) && performance.now() < endMs) {
      await delay(100)
      job = await client.poll(id)
    }
    if (FINISHED.has(job.status)) ends.set(id, job.status)
    if (heard !== undefined) losses.push(...unheard(job, heard))
    if (job.status === 'success') {
      counts.success += 1
      if (job.result?.text !== texts.get(clip)) losses.push(`${id}: ${clip} has another text`)
    } else if (job.status === 'cancelled' && wasCancelled) {
      counts.cancelled += 1
    } else if (CRASHED.has(job.error?.code ?? '')) {
      counts.takenForPoison += 1
    } else {
      losses.push(`${id}: ${job.status} ${job.error?.code ?? ''} ${job.error?.message ?? ''}`)
    }
  }
  const untold = receiver === undefined ? [] : await receiver.judge(ends, limitMs)
  const followed = jobs.filter(({ heard }) => heard !== undefined).length
  const webhooks = receiver === undefined ? 0 : ends.size - untold.length
  return { acknowledged: jobs.length, ...counts, followed, webhooks, losses: [...losses, ...untold] }
}

/** What a stream should have told otherwise. */
function unheard({ id, status, result }: JobBody, heard: FollowedText): readonly string[] {
  const end = heard.status === status ? [] : [`it is ${status}, and ${heard.status} was heard`]
  const text = status !== 'success' || heard.text === result?.text ? [] : ['another text was heard']
  return [...heard.faults, ...end, ...text].map((fault) => `${id}: ${fault}`)
}
