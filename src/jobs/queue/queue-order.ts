import type { JobPriority, ServiceTier } from '../job.ts'
import { JOB_PRIORITIES } from '../job.ts'

// In which order waiting jobs are claimed: the one with the lowest rank first. A rank is given at submit, so that an index holds
// the order and a claim costs the same however many jobs wait.
//
// It is self-clocked fair queueing (Golestani, "A self-clocked fair queueing scheme for broadband applications", INFOCOM 1994) with
// seconds of audio as the packets' lengths. Each key has a line of its own; a job starts, in virtual time, when the job before it in its
// line ends, and ends its own length later; jobs are served in the order of these ends. So keys share the workers by seconds of audio,
// however many jobs each of them has submitted, and a short job comes before a long one that was submitted with it.
//
// Two things are different here. A key has a line for each class of length (a lane), or its own three-hour files would hold up its voice
// notes. And ranks are never lower than the submit's time in seconds (aging): a waiting job overtakes everything that is submitted more
// than its length later.
//
// Lengths are what headers say, until a job is decoded: what it turns out to be longer is then put on the jobs of its line behind it
// (true-length.ts), so that nobody gains by saying too little.

/** Recordings up to this length are express: workers keep a place for them. Two windows of audio. */
export const EXPRESS_SECONDS = 60

/** Upper ends of the classes of length, in seconds of audio; the last class has none. */
const CLASS_SECONDS = [EXPRESS_SECONDS, 600, 3600] as const

/** How much later, in virtual seconds, a priority is served than `high`; more audio than this later, and it comes first all the same. */
const PRIORITY_SECONDS: Readonly<Record<JobPriority, number>> = { high: 0, normal: 600, low: 7200 }

/** What is known of a job when it is put in its place. */
export interface Placed {
  readonly priority: JobPriority
  readonly audioSeconds: number
  /** A client holds its connection open for it. */
  readonly urgent: boolean
}

/**
 * Ranks of urgent jobs are so much smaller that they come before all others, which have seconds since 1970. Among them the same order holds:
 * one key's many do not come before another one's first.
 */
const URGENT_SCALE = 1000
/** Between the ranks of urgent jobs and all others'. */
export const MIN_FAIR_RANK = 1e9

/**
 * After so many urgent jobs in a row another one comes first, so that whoever keeps the synchronous API busy starves nobody.
 */
export const MAX_URGENT_IN_A_ROW = 3

/** Which of a key's lines a job stands in. */
export function laneOf({ priority, audioSeconds, urgent }: Placed): number {
  if (urgent) return JOB_PRIORITIES.length * (CLASS_SECONDS.length + 1)
  const length = CLASS_SECONDS.findIndex((end) => audioSeconds <= end)
  return JOB_PRIORITIES.indexOf(priority) * (CLASS_SECONDS.length + 1) + (length === -1 ? CLASS_SECONDS.length : length)
}

/**
 * Where a job stands.
 * @param virtualTime the virtual start of the job that is next to be claimed, or the time in seconds since 1970 if that is later
 * @param lastRank rank of the last job in its line that still waits or runs
 */
export function placeOf(
  job: Placed,
  virtualTime: number,
  lastRank: number | undefined,
): { readonly virtualStart: number; readonly rank: number } {
  if (job.urgent) {
    const virtualStart = Math.max(virtualTime, (lastRank ?? 0) * URGENT_SCALE)
    return { virtualStart, rank: (virtualStart + Math.max(1, job.audioSeconds)) / URGENT_SCALE }
  }
  const later = PRIORITY_SECONDS[job.priority]
  const virtualStart = Math.max(virtualTime, (lastRank ?? 0) - later)
  return { virtualStart, rank: virtualStart + Math.max(1, job.audioSeconds) + later }
}

/** Stands for a tier where recordings are still to be fetched: whoever fetches them needs no engine, and no engine's place is held meanwhile. */
export const FETCH = 'fetch'
export type QueueTier = ServiceTier | typeof FETCH

/** A queue's name is a prefix of this and the model, so that workers can ask for some of them. */
export function queuePrefix(tier: QueueTier, isExpress: boolean): string {
  return `${tier}/${isExpress ? 'express' : 'ordinary'}/`
}

/** Whether a job may have the places that are kept for short ones. */
export function countsAsExpress({ urgent, audioSeconds }: Pick<Placed, 'urgent' | 'audioSeconds'>): boolean {
  return urgent || audioSeconds <= EXPRESS_SECONDS
}

/** Which queue a job stands in: workers take from those of their tiers and models. */
export function queueOf(
  job: Placed & { readonly serviceTier: ServiceTier; readonly model: string; readonly sourceUrl?: string | null },
): string {
  if ((job.sourceUrl ?? null) !== null) return queuePrefix(FETCH, false) + job.model
  return queuePrefix(job.serviceTier, countsAsExpress(job)) + job.model
}

/** The parts of a queue's name. */
export function partsOfQueue(queue: string): {
  readonly tier: string
  readonly isExpress: boolean
  readonly model: string
} {
  const [tier = '', kind, ...model] = queue.split('/')
  return { tier, isExpress: kind === 'express', model: model.join('/') }
}
