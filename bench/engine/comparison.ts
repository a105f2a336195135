import { wordErrors, words } from '../../test/support/word-error-rate.ts'
import { alone, inTurns } from './measurements.ts'
import type { Measured, Side } from './measurements.ts'

/** What is compared, and by how much we mean to be faster. */
export interface Contest {
  readonly against: string
  readonly on: string
  readonly audioSeconds: number
  readonly goal: number
  /** What is said in the recording, for models that were trained. */
  readonly spoken?: string
}

/** The texts are compared, not reported. */
type Timings = Omit<Measured, 'text'>

export interface ComparisonRow extends Omit<Contest, 'spoken'> {
  readonly row: 'comparison'
  readonly version: string
  readonly ours: Timings
  readonly peer: Timings | 'not here'
  /** Its slower variants. */
  readonly others: readonly Timings[]
  readonly timesFaster: number | null
  /** Words in which the texts differ, in percent; null: not compared. */
  readonly otherWordsPercent: number | null
  readonly ourWordErrorPercent: number | null
  readonly peerWordErrorPercent: number | null
}

/** @param peer null when it is not on this machine: then we run alone */
export async function compare(
  contest: Contest,
  ours: Side,
  peer: { readonly version: string; readonly variants: readonly Side[] } | null,
  repeats: number,
): Promise<ComparisonRow> {
  const { spoken, ...facts } = contest
  const errors = (text: string): number | null => (spoken === undefined ? null : errorPercent(spoken, text))
  if (peer === null) {
    const measured = await alone(ours, repeats)
    return {
      ...{
        row: 'comparison',
        ...facts,
        version: '',
        ours: timings(measured),
        peer: 'not here',
        others: [],
        timesFaster: null,
      },
      ...{ otherWordsPercent: null, ourWordErrorPercent: errors(measured.text), peerWordErrorPercent: null },
    }
  }
  const measured = await inTurns(ours, peer.variants, repeats)
  return {
    ...{ row: 'comparison', ...facts, version: peer.version, ours: timings(measured.ours) },
    ...{ peer: timings(measured.peer), others: measured.others.map(timings) },
    timesFaster: measured.peer.seconds / measured.ours.seconds,
    otherWordsPercent: errorPercent(measured.peer.text, measured.ours.text),
    ourWordErrorPercent: errors(measured.ours.text),
    peerWordErrorPercent: errors(measured.peer.text),
  }
}

function errorPercent(reference: string, text: string): number {
  const expected = words(reference)
  return (100 * wordErrors(expected, words(text))) / expected.length
}

function timings(measured: Measured): Timings {
  const { name, seconds, all, peakMb, details } = measured
  return { name, seconds, all, peakMb, ...(details === undefined ? {} : { details }) }
}
