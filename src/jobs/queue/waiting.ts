import type { Database } from '../sql/dialect.ts'
import type { Expired } from '../life/expiry.ts'
import type { ServiceTier } from '../job.ts'
import { look } from './look.ts'
import type { Look } from './look.ts'
import { refresh } from './ready.ts'
import type { RunningLimits } from './running-limits.ts'
import type { WaitingModel } from '../job-store.ts'

/** Of each queue so many jobs are looked at: a job that others overtake is soon among the first, since ranks grow with time. */
const DEPTH = 8

/** Passes over the jobs of keys that have as many running as they may have: no place that was made for them would be used. */
export async function waitingModels(
  database: Database,
  asked: readonly ServiceTier[],
  limits: RunningLimits,
  onEnded: (jobs: readonly Expired[]) => void,
): Promise<readonly WaitingModel[]> {
  const options = { asked, models: () => null, depth: DEPTH, runningLimit: limits.ofServer, without: NONE }
  const lookAgain = async (): Promise<Look> => {
    const { isAny: isLimited } = limits
    const found = await look(database, { ...options, isLimited })
    limits.see(found.haveKeysLimits)
    return found.haveKeysLimits && !isLimited ? await look(database, { ...options, isLimited: true }) : found
  }
  let found = await lookAgain()
  if (found.isStale && (await refresh(database, onEnded))) found = await lookAgain()
  const models = new Map<string, WaitingModel>()
  for (const { model, rank, isExpress, isSuspect, readyForMs } of found.seen) {
    const first = models.get(model) ?? { model, rank, isExpress, isSuspect, hasExpress: false, readyForMs }
    const hasExpress = first.hasExpress || isExpress
    models.set(model, { ...first, hasExpress, readyForMs: Math.max(first.readyForMs, readyForMs) })
  }
  return [...models.values()]
}

const NONE: ReadonlySet<number> = new Set()
