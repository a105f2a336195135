import { setTimeout as delay } from 'node:timers/promises'
import { choose } from '../support/random.ts'

/** Something that goes wrong, and what it is called in the report. */
export interface Disturbance {
  readonly name: string
  /** How often it is chosen, beside the others. */
  readonly weight: number
  /** Does it; resolves when what it broke works again, or could. */
  readonly run: (random: () => number) => Promise<void>
}

/** Does one after the other, with pauses of up to `pauseMs`, until the signal is aborted. Says how often each was done. */
export async function disturb(
  disturbances: readonly Disturbance[],
  options: { readonly pauseMs: number; readonly random: () => number; readonly signal: AbortSignal },
): Promise<ReadonlyMap<string, number>> {
  const { pauseMs, random, signal } = options
  const lots = disturbances.flatMap((each) => Array<Disturbance>(each.weight).fill(each))
  const counts = new Map<string, number>()
  while (!signal.aborted) {
    await delay(pauseMs * random(), undefined, { signal }).catch(() => undefined)
    if (signal.aborted) break
    const { name, run } = choose(lots, random)
    await run(random)
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return counts
}
