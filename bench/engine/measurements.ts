/** One run of one engine over a recording, without the time that it took to load the model. */
export interface Sample {
  readonly seconds: number
  readonly text: string
  /** Largest resident size of the process; null where the engine can't tell. */
  readonly peakMb: number | null
  /** What the engine reports besides, for the reader of the JSON lines. */
  readonly details?: Readonly<Record<string, number>>
}

/** An engine with its settings, ready to be run again and again. */
export interface Side {
  readonly name: string
  readonly run: () => Promise<Sample>
}

export interface Measured {
  readonly name: string
  /** Median of all runs. */
  readonly seconds: number
  readonly all: readonly number[]
  readonly text: string
  readonly peakMb: number | null
  readonly details?: Readonly<Record<string, number>>
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other)
  const middle = (sorted.length - 1) / 2
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2
}

/**
 * Runs ours and the peer in turns, A B A B, so that a machine that gets slower or busier does so for both. Of the peer's variants all
 * run in the first round, and the fastest of them alone in those that follow.
 */
export async function inTurns(
  ours: Side,
  variants: readonly Side[],
  repeats: number,
): Promise<{ readonly ours: Measured; readonly peer: Measured; readonly others: readonly Measured[] }> {
  const measure = async (side: Side): Promise<Runs> => ({ side, samples: [await side.run()] })
  const again = async (runs: Runs): Promise<void> => void runs.samples.push(await runs.side.run())

  const mine = await measure(ours)
  const theirs: Runs[] = []
  for (const variant of variants) theirs.push(await measure(variant))
  const [best, ...others] = theirs.toSorted((one, other) => secondsOf(one) - secondsOf(other))
  if (best === undefined) throw new Error('nothing to compare with')
  for (let round = 1; round < repeats; round++) {
    await again(mine)
    await again(best)
  }
  return { ours: measured(mine), peer: measured(best), others: others.map(measured) }
}

/** Runs a side by itself. */
export async function alone(side: Side, repeats: number): Promise<Measured> {
  const samples: Sample[] = []
  while (samples.length < repeats) samples.push(await side.run())
  return measured({ side, samples })
}

interface Runs {
  readonly side: Side
  /** At least one. */
  readonly samples: Sample[]
}

function secondsOf({ samples }: Runs): number {
  return median(samples.map(({ seconds }) => seconds))
}

function measured(runs: Runs): Measured {
  const { side, samples } = runs
  const details = samples[0]?.details
  const peaks = samples.flatMap(({ peakMb }) => (peakMb === null ? [] : [peakMb]))
  return {
    name: side.name,
    seconds: secondsOf(runs),
    all: samples.map(({ seconds }) => seconds),
    text: samples[0]?.text ?? '',
    peakMb: peaks.length === 0 ? null : Math.max(...peaks),
    ...(details === undefined ? {} : { details }),
  }
}
