import type { Verdict } from './verdict.ts'

export interface ChaosOptions {
  /** How long things go wrong. */
  readonly seconds: number
  readonly clients: number
  readonly seed: number
  /** Longest pause between two disturbances. */
  readonly pauseMs: number
}

export interface ChaosReport extends Verdict {
  readonly setup: string
  readonly seed: number
  readonly seconds: number
  /** How often each thing went wrong. */
  readonly disturbances: Readonly<Record<string, number>>
  /** Objects and temporary files that are there when all jobs are removed. */
  readonly leftOver: readonly string[]
  readonly unexpectedErrors: readonly string[]
}

/** Whether everything was as it should be. */
export function isClean({ losses, leftOver, unexpectedErrors }: ChaosReport): boolean {
  return losses.length + leftOver.length + unexpectedErrors.length === 0
}
