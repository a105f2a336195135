import type { Environment } from '../config.ts'

/** What every command gets. */
export interface CommandContext {
  readonly environment: Environment
  /** Aborted when the user or the system asks the program to end. */
  readonly signal: AbortSignal
  /** Sets the exit code of a command that did only part of its work. */
  readonly exitWith: (code: number) => void
}
