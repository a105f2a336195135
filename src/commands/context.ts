import type { Environment } from '../config/read-settings.ts'

/** What every command gets. */
export interface CommandContext {
  readonly environment: Environment
  /** Aborted when the user or the system asks the program to end. */
  readonly signal: AbortSignal
  /** Aborted when it is asked once more: what it still waits for is to be waited for no longer. */
  readonly hurry: AbortSignal
  /** Sets the exit code of a command that did only part of its work. */
  readonly exitWith: (code: number) => void
}
