import { setTimeout as delay } from 'node:timers/promises'

/** Something that goes wrong, and what it is called in the report. */
export interface Disturbance {
  readonly name: string
  /** How often it is chosen, beside the others. */
  readonly weight: number
  /** Does it; resolves when what it broke works again, or could. */
  readonly run: (random: () => number) => Promise<void>
}

/** The same numbers from 0 to 1 for the same seed (mulberry32), so that a run's choices can be had again. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export function choose<Choice>(choices: readonly Choice[], random: () => number): Choice {
  const choice = choices[Math.floor(random() * choices.length)]
  if (choice === undefined) throw new Error('there is nothing to choose from')
  return choice
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
