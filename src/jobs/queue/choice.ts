import { MAX_URGENT_IN_A_ROW } from './queue-order.ts'
import type { Guest, Room } from './room.ts'

/** A job that a claim may take. */
export interface Candidate extends Guest {
  readonly sequence: number
  readonly isUrgent: boolean
  readonly rank: number
  readonly readyForMs: number
}

/** Jobs in the order of claiming, as far as that is known. */
export interface Line {
  readonly candidates: readonly Candidate[]
  /** There are more behind them. */
  readonly isCut: boolean
}

/** What waits foremost: urgent jobs, and those behind all urgent ones. */
export interface Front {
  readonly urgent: Line
  readonly others: Line
}

/**
 * Which jobs a claim is to take: one after the other in the order of their ranks, each that fits; but when `MAX_URGENT_IN_A_ROW` urgent ones were taken
 * in a row, the next other one first. Ends where it is not known what comes next.
 */
export function choose({ urgent, others }: Front, room: Room, urgentInARow: number): readonly Candidate[] {
  const left = room.copy()
  const fits = (candidate: Candidate): boolean => left.fits(candidate)
  const [urgentLine, otherLine] = [new Walk(urgent), new Walk(others)]
  const chosen: Candidate[] = []
  let inARow = urgentInARow
  for (;;) {
    const isOthersTurn = inARow >= MAX_URGENT_IN_A_ROW
    const first = isOthersTurn ? otherLine : urgentLine
    const second = isOthersTurn ? urgentLine : otherLine
    // A place that is taken is never given back here, so what was passed over once never fits again.
    const next = first.next(fits) ?? (first.isCut ? undefined : second.next(fits))
    if (next === undefined) return chosen
    left.take(next)
    chosen.push(next)
    inARow = next.isUrgent ? inARow + 1 : 0
  }
}

/** What might be taken next, one for the other, in order: the first is what `choose` takes first. */
export function alternatives({ urgent, others }: Front, room: Room, urgentInARow: number): readonly Candidate[] {
  const [first, second] = [urgent, others].map(({ candidates }) =>
    candidates.filter((candidate) => room.fits(candidate)),
  )
  if (first === undefined || second === undefined) return []
  if (urgentInARow >= MAX_URGENT_IN_A_ROW && second.length > 0) return second
  return urgent.isCut ? first : [...first, ...second]
}

class Walk {
  readonly isCut: boolean
  readonly #candidates: readonly Candidate[]
  #position = 0

  constructor({ candidates, isCut }: Line) {
    this.#candidates = candidates
    this.isCut = isCut
  }

  /** Steps behind the next one that fits. */
  next(fits: (candidate: Candidate) => boolean): Candidate | undefined {
    while (this.#position < this.#candidates.length) {
      const candidate = this.#candidates[this.#position++]
      if (candidate !== undefined && fits(candidate)) return candidate
    }
    return undefined
  }
}
