import type { Cells } from './cells.ts'
import type { Alignment, ReadOptions, Scores } from './slot.ts'

/** What a slot wants to read next. */
export interface Reading<Of> {
  readonly slot: Of
  readonly sequences: number
  /** [sequences, t], row-major: a row each. */
  readonly tokens: readonly number[]
  /** Indices among the rows. */
  readonly logitsAt: readonly number[]
  readonly mask: Float32Array | undefined
  readonly top: number
  readonly wantsLogits: boolean
  /** Whether it wants the alignment heads' scores. */
  readonly isAlignment: boolean
}

/** What a reading gets. */
export interface StepOutputs extends Scores, Alignment {}

/**
 * @param logitsAt indices among the t tokens of each sequence
 * @param options.most tokens that the context holds
 * @throws RangeError when it would hold more
 */
export function readingOf<Of extends { readonly cells: Cells; readonly length: number }>(
  slot: Of,
  tokens: readonly number[],
  logitsAt: readonly number[],
  options: ReadOptions & { readonly isAlignment: boolean; readonly most: number },
): Reading<Of> {
  const { mask, top = 1, wantsLogits = false, isAlignment, most } = options
  const { sequences } = slot.cells
  const t = tokens.length / sequences
  if (slot.length + t > most) throw new RangeError(`more than ${most} tokens`)
  const rows = Array.from({ length: sequences }, (_, sequence) => logitsAt.map((at) => sequence * t + at)).flat()
  return { slot, sequences, tokens, logitsAt: rows, mask, top, wantsLogits, isAlignment }
}
