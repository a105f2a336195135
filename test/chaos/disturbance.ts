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

/** When something went wrong, by this process's `performance.now`. */
export interface Occurrence {
  readonly name: string
  readonly startedMs: number
  readonly endedMs: number
}

/** How often each thing went wrong. */
export function countsOf(occurrences: readonly Occurrence[]): Readonly<Record<string, number>> {
  const groups = Map.groupBy(occurrences, ({ name }) => name)
  return Object.fromEntries([...groups].map(([name, group]) => [name, group.length]))
}

/** Does one after the other, with pauses of up to `pauseMs`, until the signal is aborted. Says what was done when. */
export async function disturb(
  disturbances: readonly Disturbance[],
  options: { readonly pauseMs: number; readonly random: () => number; readonly signal: AbortSignal },
): Promise<readonly Occurrence[]> {
  const { pauseMs, random, signal } = options
  const lots = disturbances.flatMap((each) => Array<Disturbance>(each.weight).fill(each))
  const occurrences: Occurrence[] = []
  while (!signal.aborted) {
    await delay(pauseMs * random(), undefined, { signal }).catch(() => undefined)
    if (signal.aborted) break
    // Clients alone, for as long as they are given.
    if (lots.length === 0) continue
    const { name, run } = choose(lots, random)
    const startedMs = performance.now()
    await run(random)
    occurrences.push({ name, startedMs, endedMs: performance.now() })
  }
  return occurrences
}
