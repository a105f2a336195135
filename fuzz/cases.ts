import { randomOf } from '../test/support/random.ts'
import type { WatchFigures } from './watch/watch.ts'

export interface FuzzOptions {
  readonly seed: number
  /** No case is begun after so many seconds. */
  readonly seconds: number
  /** The first case, which all that follow are counted from. */
  readonly firstCase: number
  /** No more cases than these, whatever the time. */
  readonly maxCases: number
}

/** Something that is wrong; `case` is undefined where no single case can be named. */
export interface Finding {
  readonly part: string
  readonly case: number | undefined
  readonly what: string
}

export interface PartReport {
  readonly part: string
  readonly cases: number
  readonly findings: readonly Finding[]
  readonly watch: WatchFigures
  /** What was counted, a line each. */
  readonly figures: readonly string[]
}

/** The numbers of one case: the same for the same seed, part and case, whatever ran before it. */
export function randomOfCase(seed: number, part: string, number: number): () => number {
  let mixed = seed >>> 0
  for (const letter of `${part} ${number}`) mixed = Math.imul(mixed ^ (letter.codePointAt(0) ?? 0), 0x01000193) >>> 0
  return randomOf(mixed)
}

/**
 * Runs cases one after the other, some at the same time, until time or number is used up.
 * @param run says what is wrong, if anything is; what it throws is wrong too
 * @param given `mayGoOn`: asked before each case
 */
export async function runCases(
  options: FuzzOptions,
  { part, atOnce, mayGoOn }: { readonly part: string; readonly atOnce: number; readonly mayGoOn: () => boolean },
  run: (random: () => number, number: number) => Promise<readonly string[]>,
): Promise<{ readonly cases: number; readonly findings: readonly Finding[] }> {
  const { seed, firstCase } = options
  const endMs = performance.now() + options.seconds * 1000
  const findings: Finding[] = []
  let cases = 0
  const one = async (): Promise<void> => {
    while (cases < options.maxCases && performance.now() < endMs && mayGoOn()) {
      const number = firstCase + cases
      cases += 1
      const faults = await run(randomOfCase(seed, part, number), number).catch((error: unknown) => [String(error)])
      findings.push(...faults.map((what) => ({ part, case: number, what })))
    }
  }
  await Promise.all(Array.from({ length: atOnce }, one))
  return { cases, findings }
}
